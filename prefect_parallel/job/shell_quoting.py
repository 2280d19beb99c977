"""Quotes and expansions of bash: where each ends, and what stands in it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from prefect_parallel.job.shell_spots import Quotes, Spot
from prefect_parallel.job.shell_words import EXPANSION, MARK, UnsafeCommand
from prefect_parallel.job.syntax.expressions import find


class Quoting(ABC):
    """Scans quoted text from a position on, and notes the expressions in it."""

    def __init__(self, command: str) -> None:
        self.text = command
        self.expressions = {expression.start: expression for expression in find(command)}
        self.spots: list[Spot] = []

    @abstractmethod
    def commands(self, at: int, closing: str) -> int:
        """Commands up to the closing character; returns the position after it."""

    def place(self, at: int, quotes: Quotes) -> int:
        expression = self.expressions[at]
        self.spots.append(Spot(expression, quotes))
        return expression.end

    def escaped(self, at: int) -> int:
        """A backslash and what it escapes."""
        if at + 1 in self.expressions:
            raise UnsafeCommand(f"a backslash stands before {self.expressions[at + 1]}")
        return at + 2

    def single(self, at: int) -> tuple[int, str]:
        """The inside of '...', from behind the quote to behind the other."""
        return self._quoted(at, "'", Quotes.SINGLE, escapes=False)

    def ansi_c(self, at: int) -> tuple[int, str]:
        """The inside of $'...'."""
        return self._quoted(at, "'", Quotes.ANSI_C, escapes=True)

    def _quoted(self, at: int, closing: str, quotes: Quotes, *, escapes: bool) -> tuple[int, str]:
        content = ""
        while at < len(self.text):
            if at in self.expressions:
                at = self.place(at, quotes)
                content += MARK
            elif self.text[at] == closing:
                return at + 1, content
            elif escapes and self.text[at] == "\\":
                content += self.text[at + 1 : at + 2]
                at = self.escaped(at)
            else:
                content += self.text[at]
                at += 1
        raise UnsafeCommand(f"a quote {closing} is not closed")

    def double(self, at: int, closing: str = '"', stop: int | None = None) -> tuple[int, str]:
        """The inside of "...", or the body of a here-document up to a position."""
        content = ""
        end = len(self.text) if stop is None else stop
        while at < end:
            if at in self.expressions:
                at = self.place(at, Quotes.DOUBLE)
                content += MARK
            elif closing and self.text[at] == closing:
                return at + 1, content
            elif self.text[at] == "\\":
                content += self.text[at + 1 : at + 2]
                at = self.escaped(at)
            elif (after := self.substitution(at)) is not None:
                content += EXPANSION
                at = after
            else:
                content += self.text[at]
                at += 1
        if stop is None:
            raise UnsafeCommand(f"a quote {closing} is not closed")
        return at, content

    def substitution(self, at: int) -> int | None:
        """Behind the $(...), `...`, $((...)), $[...] or ${...} that begins here, if one does."""
        if self.text[at] == "`":
            return self.commands(at + 1, "`")
        for opening, closing in (("$((", "))"), ("$[", "]"), ("${", "}")):
            if self.text.startswith(opening, at):
                return self.forbidden(at, opening, closing)
        if self.text.startswith("$(", at):
            return self.commands(at + 2, ")")
        return None

    def forbidden(self, at: int, opening: str, closing: str) -> int:
        """Behind a construct in which bash may read a value as code, so that none may be in it."""
        pairs = {")": "(", "]": "[", "}": "{"}
        closer = closing[0]
        depth = opening.count(pairs[closer])
        position = at + len(opening)
        while position < len(self.text) and depth:
            if position in self.expressions:
                raise UnsafeCommand(
                    f"{self.expressions[position]} stands inside {opening} {closing}, "
                    "where bash may read a value as code"
                )
            character = self.text[position]
            if character == "\\":
                position += 1
            elif character == "'" and opening == "${":
                position = self.text.find("'", position + 1)
                if position < 0:
                    raise UnsafeCommand("a quote ' is not closed")
            elif character == closer:
                depth -= 1
            elif character == pairs[closer]:
                depth += 1
            position += 1
        return position
