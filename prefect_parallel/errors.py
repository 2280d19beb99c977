"""Errors that several packages raise, and the form of their messages.

Every error that this package raises on purpose is a `PrefectParallelError`. Its message is written
for the author of the pipeline: what was found and where, what is allowed, what to do. The command
line prints it without a traceback.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict


def did_you_mean(word: str, known: Collection[str]) -> str | None:
    """The hint `did you mean X?` with the most similar known name, ignoring case."""
    by_folded = {name.casefold(): name for name in known}
    matches = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return f"did you mean {by_folded[matches[0]]}?" if matches else None


def counted(count: int, noun: str) -> str:
    """E.g. `1 node`, `3 nodes`, `1,200 mini-batches`, `2 processes`."""
    ending = "es" if noun.endswith(("ch", "ss")) else "s"
    return f"{count:,} {noun}{'' if count == 1 else ending}"


class Advice(TypedDict):
    """Arguments of an error: what is allowed, and what to do."""

    allowed: str | None
    hint: str | None


def advice_for(word: str, known: Collection[str]) -> Advice:
    """The advice on an unknown word: the known ones, and the most similar of them."""
    return {"allowed": ", ".join(known) or None, "hint": did_you_mean(word, known)}


class PrefectParallelError(Exception):
    """Base class of all errors of this package.

    Args:
        message: What was found, and where.
        allowed: What is allowed instead.
        hint: What to do, e.g. the most similar known name.

    Example:
        ```python
        try:
            load_pipeline("pipeline.yml")
        except PrefectParallelError as error:
            print(error)
        ```
    """

    def __init__(
        self, message: str = "", *, allowed: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(without_secrets(_with_advice(message, allowed, hint)))


_PASSWORD = re.compile(r"(?<=://)[^\s/@'\"]*:[^\s/@'\"]*@")
# A signature is in the query. Punctuation at its end belongs to the sentence.
_QUERY = re.compile(r"(https?://[^\s?'\"]+)\?\S*?(?=[:,;.)'\"]*(?:\s|$))")


def without_secrets(text: str) -> str:
    """The text without passwords in URLs, and without the queries of web addresses."""
    return _QUERY.sub(r"\1", _PASSWORD.sub("", text))


def _with_advice(message: str, allowed: str | None, hint: str | None) -> str:
    lines = [
        message,
        *([f"allowed: {allowed}"] if allowed else ()),
        *([f"hint: {hint}"] if hint else ()),
    ]
    return "\n    ".join(lines)


_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG)


def os_error_text(error: OSError, directory: Path) -> str:
    """What to tell about an OSError during a run.

    The run directory is to blame only if the error is about a file in it, or about a disk and no
    file: errors of connections are OSErrors, too.
    """
    path = None if error.filename is None else Path(os.fsdecode(error.filename)).absolute()
    root = directory.absolute()
    if error.errno in _DISK_ERRORS if path is None else path.is_relative_to(root):
        return f"the run directory cannot be written to: {error.strerror}: {path or root}"
    return f"{type(error).__name__}: {error}"


@dataclass(frozen=True)
class Problem:
    """One mistake in a file.

    Attributes:
        message: What was found, without a full stop.
        file: Path of the file, as the user would type it.
        line: Line, from 1; None for the whole file.
        column: Column, from 1.
        key: Dotted path of the key, e.g. `jobs.score.retry_settings.timeout`.
        allowed: What is allowed instead.
        hint: What to do, e.g. the most similar known key.
    """

    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    key: str | None = None
    allowed: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        text = ": ".join(part for part in (place, self.key, self.message) if part)
        return _with_advice(text, self.allowed, self.hint)


class InvalidFile(PrefectParallelError):
    """A file has mistakes. `problems` has all that were found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = list(problems)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems,)


class InvalidPipeline(InvalidFile):
    """A pipeline, a component or an entry script has mistakes."""


class InvalidInput(PrefectParallelError):
    """An input is missing, unreadable or not of its declared type."""


class InvalidCall(PrefectParallelError):
    """A function cannot run in other processes, or its output cannot be written."""


class EmptyInput(InvalidInput):
    """An input has no items."""


class InvalidMLTable(InvalidInput, InvalidFile):
    """An MLTable file has mistakes."""


class ServerUnreachable(PrefectParallelError):
    """The configured Prefect server does not answer."""


class UnknownCompute(PrefectParallelError):
    """A step names a compute that has no Compute block."""


class EnvironmentBuildFailed(PrefectParallelError):
    """The environment of a step cannot be built."""


class UnreadableMiniBatch(PrefectParallelError):
    """A mini-batch cannot be loaded: a file is missing, has changed or has other content."""
