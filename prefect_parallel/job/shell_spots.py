"""Where expressions stand in a command."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from prefect_parallel.job.syntax.expressions import Expression


class Quotes(Enum):
    """What is around an expression, and what stands there instead of it."""

    NONE = '"${%s}"'
    DOUBLE = "${%s}"
    SINGLE = "'\"${%s}\"'"
    ANSI_C = "'\"${%s}\"$'"
    LITERAL = ""  # A here-document with a quoted delimiter: nothing in it is expanded.


@dataclass(frozen=True)
class Heredoc:
    """A here-document whose body is still to come."""

    delimiter: str
    quoted: bool
    strip_tabs: bool

    def ends_with(self, line: str) -> bool:
        return (line.lstrip("\t") if self.strip_tabs else line) == self.delimiter


@dataclass(frozen=True)
class Spot:
    """An expression in its place."""

    expression: Expression
    quotes: Quotes
    heredoc: Heredoc | None = None
    line: str = ""
