"""Program arguments: split into words, and the predefined ones, which are settings of the step."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prefect_parallel.job.format.validators import Validator
from prefect_parallel.job.settings.parallel_settings import OLD_NAMES, SETTINGS
from prefect_parallel.job.syntax.expressions import fill, find, keep_given
from prefect_parallel.yaml_schema import Refused

MIN_PREFIX = 10
"""Minimum length of an abbreviated predefined argument: `--first` belongs to the script."""

_VALIDATORS: Mapping[str, Validator] = {
    each.name: each.argument for each in SETTINGS.values() if each.argument is not None
}


def split_arguments(template: str) -> list[str]:
    """Split a template into words as a shell does, with quotes and backslashes.

    Expressions stay in their words as `${{key}}`, without blanks inside the braces.

    Raises:
        ValueError: A quote is not closed, or there is a NUL character.
    """
    if "\0" in template:
        raise ValueError("found a NUL character")
    # Placeholders without blanks keep a word whole that has blanks inside the braces.
    expressions = find(template)
    text, end = "", 0
    for number, expression in enumerate(expressions):
        text += f"{template[end : expression.start]}\0{number}\0"
        end = expression.end
    text += template[end:]
    try:
        words = shlex.split(re.sub(r"(?<!\\)\\\r?\n", "", text))
    except ValueError as error:
        raise ValueError(str(error).lower()) from error
    return [
        re.sub(r"\0(\d+)\0", lambda match: str(expressions[int(match[1])]), word) for word in words
    ]


def arguments(template: str, values: Mapping[str, str], missing: Iterable[str] = ()) -> list[str]:
    """The arguments that the script gets; each value stays one argument.

    Args:
        values: Expression key -> value, e.g. `inputs.model`.
        missing: Keys of the inputs without a value; `$[[...]]` parts with one of them are removed.
    """
    words = split_arguments(keep_given(template, set(missing)))
    return [fill(word, values) for word in words]


def parse_predefined(
    words: list[str], values: Mapping[str, str], refuse: Callable[[Refused], None]
) -> dict[str, Any]:
    """The predefined arguments among the words, by name; `refuse` takes each value not allowed."""
    given: dict[str, Any] = {}
    position = 0
    while position < len(words) and words[position] != "--":
        argument, separator, text = words[position].partition("=")
        position += 1
        name = _predefined(argument)
        if name is None:
            continue
        validator = _VALIDATORS[name]
        if not separator:
            if position == len(words) or words[position].startswith("--"):
                refuse(Refused(f"{argument}: no value follows", allowed=validator.allowed))
                continue
            text = words[position]
            position += 1
        try:
            given[name] = validator.check(fill(text, values))
        except Refused as refused:
            refuse(Refused(f"{argument}: {refused.found}", allowed=refused.allowed))
    return given


def old_arguments(words: list[str]) -> Iterator[tuple[str, str]]:
    """The arguments that have the name of a setting in Azure's SDK v1, each with its key here."""
    for word in itertools.takewhile(lambda word: word != "--", words):
        argument = word.partition("=")[0]
        key = OLD_NAMES.get(argument.removeprefix("--"))
        if key is not None and argument.startswith("--"):
            yield argument, key


def _predefined(argument: str) -> str | None:
    if not argument.startswith("--"):
        return None
    name = argument[2:]
    if name in _VALIDATORS:
        return name
    matches = [full for full in _VALIDATORS if full.startswith(name) and not SETTINGS[full].is_own]
    return matches[0] if len(name) >= MIN_PREFIX and len(matches) == 1 else None
