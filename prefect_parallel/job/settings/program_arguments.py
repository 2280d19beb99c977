"""Program arguments: cut into words, and those that set the run itself instead of the script."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from prefect_parallel.job.format.types import MAX_TIMEOUT
from prefect_parallel.job.format.validators import INT_MAX
from prefect_parallel.job.syntax.expressions import fill, find, keep_given

MIN_PREFIX = 10
"""Letters that a shortened predefined argument must have: `--first` is the script's own."""


@dataclass(frozen=True)
class Argument:
    """What a predefined argument takes.

    Attributes:
        allowed: For messages.
        read: From text to the value; None if it is not allowed.
        about: What it sets, for the reference.
    """

    allowed: str
    read: Callable[[str], Any]
    about: str


def _whole(low: int) -> Callable[[str], int | None]:
    def read(text: str) -> int | None:
        if not re.fullmatch(r"[-+]?\d+", text, re.ASCII):
            return None
        return int(text) if low <= int(text) <= INT_MAX else None

    return read


def _number(text: str) -> float | None:
    if not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text, re.ASCII):
        return None
    return int(text) if re.fullmatch(r"[-+]?\d+", text) else float(text)


def _percent(text: str) -> float | None:
    number = _number(text)
    return number if number is not None and 0 <= number <= 100 else None


def _seconds(text: str) -> float | None:
    number = _number(text)
    return number if number is not None and 0 < number <= MAX_TIMEOUT else None


def _flag(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def _text(text: str) -> str:
    return text


def _profiler(text: str) -> str | None:
    return text if text == "cProfile" else None


def _argument(default: Any, about: str, allowed: str, read: Callable[[str], Any]) -> Any:
    return field(default=default, metadata={"argument": Argument(allowed, read, about)})


_SECONDS = (f"seconds, more than 0, at most {MAX_TIMEOUT}", _seconds)
_FLAG = ("True or False", _flag)


@dataclass(frozen=True)
class PredefinedArguments:
    """The arguments that set the run itself; None if not given and of no default."""

    error_threshold: int = _argument(
        -1,
        "So many failed items are ignored, -1: any number. Wins over the step's key of that name.",
        "a whole number of failed items, -1 or more",
        _whole(-1),
    )
    allowed_failed_percent: float = _argument(
        100,
        "So many failed mini-batches are ignored, in percent of all.",
        "a percentage from 0 to 100",
        _percent,
    )
    task_overhead_timeout: float = _argument(
        600, "How long it may take to load a mini-batch and hand it to `run`.", *_SECONDS
    )
    progress_update_timeout: float | None = _argument(
        None,
        "How long no attempt may end before the step fails. Left out, it follows from the other"
        " timeouts: the longest that a healthy step can stay silent.",
        *_SECONDS,
    )
    first_task_creation_timeout: float = _argument(
        600, "How long it may take from the step's start to its first `run`.", *_SECONDS
    )
    copy_logs_to_parent: bool = _argument(
        False, "Whether the step's logs are copied to the run's own `logs`, too.", *_FLAG
    )
    resource_monitor_interval: int = _argument(
        600,
        "Seconds between two samples of what nodes and processes use; 0: none.",
        "a whole number of seconds, 0 (off) or more",
        _whole(0),
    )
    append_row_dataframe_header: bool = _argument(
        False, "Whether an aggregated CSV begins with the names of the columns.", *_FLAG
    )
    metrics_name_prefix: str | None = _argument(
        None, "Put before the names of the step's metrics.", "text", _text
    )
    push_metrics_to_parent: bool = _argument(
        False, "Whether the pipeline's flow run shows the step's metrics, too.", *_FLAG
    )
    profiling_module: str | None = _argument(
        None,
        "What measures where the time of `init` and `run` goes, into"
        " `logs/sys/perf/<node>/<process>.prof`.",
        "cProfile",
        _profiler,
    )


ARGUMENTS: Mapping[str, Argument] = {
    each.name: each.metadata["argument"] for each in fields(PredefinedArguments)
}


class WrongArgument(ValueError):
    """A predefined argument has a wrong value.

    Attributes:
        argument: As written.
        found: What was found.
        allowed: What is allowed.
    """

    def __init__(self, argument: str, found: str, allowed: str) -> None:
        super().__init__(f"{argument}: {found}")
        self.argument = argument
        self.found = found
        self.allowed = allowed


def split_arguments(template: str) -> list[str]:
    """Cut a template into words as a shell does: quotes hold together, a backslash escapes.

    Expressions stay in their words as `${{key}}`, blanks inside their braces taken out.

    Raises:
        ValueError: A quote is not closed, or there is a NUL character.
    """
    if "\0" in template:
        raise ValueError("there is a NUL character in it")
    # A word must not fall apart at a blank inside the braces: stand-ins without blanks.
    expressions = find(template)
    text, end = "", 0
    for number, expression in enumerate(expressions):
        text += f"{template[end : expression.start]}\0{number}\0"
        end = expression.end
    text += template[end:]
    words = shlex.split(re.sub(r"(?<!\\)\\\r?\n", "", text))
    return [
        re.sub(r"\0(\d+)\0", lambda match: str(expressions[int(match[1])]), word) for word in words
    ]


def arguments(template: str, values: Mapping[str, str], missing: Iterable[str] = ()) -> list[str]:
    """What the script gets: one value stays one argument, whatever is in it.

    Args:
        template: Program arguments as written.
        values: Expression key -> value, e.g. `inputs.model`.
        missing: Keys of the inputs without value; `$[[...]]` parts that hold one go away.
    """
    words = split_arguments(keep_given(template, set(missing)))
    return [fill(word, values) for word in words]


def parse_predefined(
    words: list[str], values: Mapping[str, str], wrong: Callable[[WrongArgument], None]
) -> tuple[PredefinedArguments, set[str]]:
    """The predefined arguments among the words.

    Args:
        words: From `split_arguments`.
        values: Values for the expressions in them.
        wrong: Called for each one that does not fit.

    Returns:
        The arguments, and the names of those that were given.
    """
    given: dict[str, Any] = {}
    position = 0
    while position < len(words) and words[position] != "--":
        argument, separator, text = words[position].partition("=")
        position += 1
        name = _predefined(argument)
        if name is None:
            continue
        if not separator:
            if position == len(words) or words[position].startswith("--"):
                wrong(WrongArgument(argument, "no value follows it", ARGUMENTS[name].allowed))
                continue
            text = words[position]
            position += 1
        text = fill(text, values)
        value = ARGUMENTS[name].read(text)
        if value is None:
            wrong(WrongArgument(argument, f"found {text!r}", ARGUMENTS[name].allowed))
        else:
            given[name] = value
    return replace(PredefinedArguments(), **given), set(given)


def _predefined(argument: str) -> str | None:
    if not argument.startswith("--"):
        return None
    name = argument[2:]
    if name in ARGUMENTS:
        return name
    matches = [full for full in ARGUMENTS if full.startswith(name)]
    return matches[0] if len(name) >= MIN_PREFIX and len(matches) == 1 else None
