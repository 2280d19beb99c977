"""Errors that several parts raise, and how all of them speak.

Every error that this package raises on purpose is a `PrefectParallelError`. Its text is meant for
the person who wrote the pipeline: what was found and where, what is allowed, what to do. The
command line prints it as it stands, without a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypedDict


def did_you_mean(word: str, known: Collection[str]) -> str | None:
    """A hint that names what was probably meant; case does not count."""
    by_folded = {name.casefold(): name for name in known}
    matches = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return f"did you mean {by_folded[matches[0]]}?" if matches else None


class Advice(TypedDict):
    """What may stand in the place of something that is wrong, and what to do."""

    allowed: str | None
    hint: str | None


def advice_for(word: str, known: Collection[str]) -> Advice:
    """What to use instead of a word that is not known."""
    return {"allowed": ", ".join(known) or None, "hint": did_you_mean(word, known)}


class PrefectParallelError(Exception):
    """Base of all of them.

    Args:
        message: What was found, and where.
        allowed: What may stand there.
        hint: What to do, e.g. the nearest known name.
    """

    def __init__(
        self, message: str = "", *, allowed: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(_advised(message, allowed, hint))


def _advised(message: str, allowed: str | None, hint: str | None) -> str:
    lines = [
        message,
        *([f"allowed: {allowed}"] if allowed else ()),
        *([f"hint: {hint}"] if hint else ()),
    ]
    return "\n    ".join(lines)


@dataclass(frozen=True)
class Problem:
    """One mistake in a file that the user wrote.

    Attributes:
        message: What was found, as a sentence without a full stop.
        file: The file it stands in, as the user would type it.
        line: 1-based; None if the whole file is meant.
        column: 1-based.
        key: Dotted path of the key, e.g. `jobs.score.retry_settings.timeout`.
        allowed: What may stand there.
        hint: What to do, e.g. the nearest known key.
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
        return _advised(text, self.allowed, self.hint)


class InvalidFile(PrefectParallelError):
    """A file that the user wrote has mistakes; `problems` holds all that were found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = list(problems)


class InvalidPipeline(InvalidFile):
    """A pipeline job, a component, or a script that they name cannot run."""


class InvalidInput(PrefectParallelError):
    """An input cannot be split into mini-batches: missing, unreadable, not of its type."""


class EmptyInput(InvalidInput):
    """An input has no item at all."""


class InvalidMLTable(InvalidInput, InvalidFile):
    """An MLTable file has mistakes."""


class ServerUnreachable(PrefectParallelError):
    """The Prefect server that is configured does not answer."""

    @classmethod
    def at(cls, url: str | None, why: object) -> ServerUnreachable:
        """The error for the server at a URL.

        Args:
            url: Of its API.
            why: What was met instead of an answer.
        """
        return cls(
            f"the Prefect server at {url} does not answer: {why}",
            hint="start it (prefect server start), or let PREFECT_API_URL name another",
        )


class UnknownCompute(PrefectParallelError):
    """A step names a compute that there is no block for."""


class EnvironmentBuildFailed(PrefectParallelError):
    """The environment of a step cannot be built here."""


class UnreadableMiniBatch(PrefectParallelError):
    """A mini-batch cannot be loaded: a file is gone, has changed, or holds something else."""
