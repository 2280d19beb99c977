"""Values in bash commands: passed as quoted variables, never as text that bash parses.

Each expression becomes a reference to a variable, quoted for its place in the text, and the
variable is assigned in front of the command:

    grep ${{inputs.word}} "${{inputs.folder}}/all.txt"

    __inputs_word='a b'
    __inputs_folder='/data'
    grep "${__inputs_word}" "${__inputs_folder}/all.txt"

A value is then as safe as `"$1"` in a script: one argument, whatever it holds. As in a script, the
author answers for commands that run their arguments as code (`eval`, `bash -c`, `ssh`). Where
quotes do not help because bash evaluates the place itself (arithmetic, the name of a variable),
an expression is refused.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.job.syntax.expressions import Expression, find, keep_given

_UNQUOTED = '"${%s}"'
_IN_DOUBLE_QUOTES = "${%s}"
_IN_ANSI_C_QUOTES = "'\"${%s}\"$'"
_QUOTES = {'"': _IN_DOUBLE_QUOTES, "'": "'\"${%s}\"'", "$'": _IN_ANSI_C_QUOTES}

_METACHARACTERS = " \t\n;&|()<>"
_EVALUATED = (("$((", "))"), ("$[", "]"), ("${", "}"))
# After these words, a command begins.
_KEYWORDS = {"if", "then", "else", "elif", "do", "while", "until", "!", "{", "time", "coproc"}
# A variable, or an element of an array, that is assigned to; its name may hold expressions.
_ASSIGNED = re.compile(
    r"(?P<name>(?:\w|\$\{\{[^{}]*\}\})*)(?P<subscript>\[[^\n]{0,500}?\])?\+?=", re.ASCII
)


class InvalidCommand(PrefectParallelError):
    """A command has an expression where bash evaluates the text, or bash could not parse it."""


def check_command(command: str) -> None:
    """Check that values can be passed to a command wherever it has expressions.

    Raises:
        InvalidCommand: An expression is in a place that bash evaluates, or a quote or bracket is
            not closed.
    """
    _edits(command)


def quoted_command(command: str, values: Mapping[str, str], missing: Iterable[str] = ()) -> str:
    """The command as bash runs it; arguments as for `program_arguments.arguments`.

    Raises:
        InvalidCommand: As for `check_command`; or an expression has no value, or a value contains
            a NUL character.
    """
    command = keep_given(command, set(missing))
    pieces: list[str] = []
    assignments: dict[str, str] = {}
    end = 0
    for edit in _edits(command):
        pieces.append(command[end : edit.start])
        end = edit.end
        if edit.expression is None:
            pieces.append(edit.text)
        else:
            pieces.append(edit.text % _variable(edit.expression, values, assignments))
    pieces.append(command[end:])
    prelude = [f"{name}={shlex.quote(value)}\n" for name, value in assignments.items()]
    return "".join([*prelude, *pieces])


def _variable(
    expression: Expression, values: Mapping[str, str], assignments: dict[str, str]
) -> str:
    value = values.get(expression.key)
    if value is None:
        # Removing a `$[[...]]` can join what is around it to an expression.
        raise InvalidCommand(f"{expression} is not an input or output of the step")
    if "\0" in value:
        raise InvalidCommand(f"{expression} has a NUL character, which no argument can contain")
    variable = "__" + re.sub(r"\W", "_", expression.key, flags=re.ASCII)
    while assignments.get(variable, value) != value:
        variable += "_"
    assignments[variable] = value
    return variable


@dataclass(frozen=True)
class _Edit:
    """What is written in place of a part of a command; `%s` for the variable of an expression."""

    start: int
    end: int
    text: str
    expression: Expression | None = None


@dataclass(frozen=True)
class _HereDocument:
    """A here-document whose body comes after the end of the line."""

    start: int
    end: int
    delimiter: str
    quoted: bool
    strips_tabs: bool

    def body_end(self, text: str, at: int) -> int:
        """Where the delimiter's line begins; the end of the text if there is none."""
        # Without quotes around the delimiter, a backslash joins two lines.
        line = re.compile(r"[^\n]*" if self.quoted else r"(?:\\[\s\S]|[^\\\n])*\\?")
        while at < len(text):
            match = line.match(text, at)
            assert match is not None
            found = match[0] if self.quoted else match[0].replace("\\\n", "")
            if (found.lstrip("\t") if self.strips_tabs else found) == self.delimiter:
                return at
            at = match.end() + 1
        return len(text)


def _edits(command: str) -> list[_Edit]:
    if "\0" in command:
        raise InvalidCommand("a command cannot contain a NUL character")
    scanner = _Scanner(command)
    try:
        if scanner.expressions:
            scanner.commands(0)
    except RecursionError:
        raise InvalidCommand("brackets are nested too deeply") from None
    return sorted(scanner.edits, key=lambda edit: edit.start)


class _Scanner:
    """Finds the quotes around each expression as bash would.

    A mistake here may split a value into words, but cannot make it code. Methods take the position
    of what they are named after, and return the position behind it.
    """

    def __init__(self, command: str) -> None:
        self.text = command
        self.expressions = {expression.start: expression for expression in find(command)}
        self.edits: list[_Edit] = []
        self._here_documents: list[_HereDocument] = []
        self._evaluated_in = ""

    def commands(self, at: int, closing: str = "") -> int:
        """Commands up to a closing character, or to the end of the text."""
        begins = True  # Whether the next word begins a command.
        cases = 0
        while at < len(self.text):
            character = self.text[at]
            if character == closing and not (cases and closing == ")"):
                return at + 1
            if character == "\n":
                at, begins = self._bodies(at + 1), True
            elif character == "#":
                at = self._end_of_line(at)
            elif self.text.startswith("((", at):
                at = self._evaluated(at, "((", "))")
            elif character == "(":
                at, begins = self.commands(at + 1, ")"), True
            elif self.text.startswith("<<<", at):
                at += 3
            elif self.text.startswith("<<", at):
                at = self._here_document(at)
            elif character in _METACHARACTERS:
                begins = begins or character in ";&|)"
                at += 1
            else:
                start, at = at, self._word(at, closing, begins=begins)
                word = self.text[start:at]
                if begins:
                    cases = max(0, cases + (word == "case") - (word == "esac"))
                    begins = word in _KEYWORDS or _ASSIGNED.match(word) is not None
        if closing:
            raise InvalidCommand(f"a {closing} is missing")
        return at

    def _end_of_line(self, at: int) -> int:
        end = self.text.find("\n", at)
        return end if end >= 0 else len(self.text)

    def _word(self, at: int, closing: str, *, begins: bool) -> int:
        start, before = at, len(self.edits)
        assigned = _ASSIGNED.match(self.text, at)
        if assigned:
            name = find(assigned["name"]) if begins else []
            for expression in [*name, *find(assigned["subscript"] or "")]:
                where = "in the name or subscript of a variable, which bash evaluates"
                raise _not_allowed(expression, f"{where}; quote the whole word of an argument")
        while at < len(self.text) and self.text[at] not in _METACHARACTERS + closing:
            at = self._element(at)
        if len(self.edits) > before and self.text[:start].rstrip(" \t").endswith((">&", "<&")):
            raise InvalidCommand(
                "an expression is not allowed after >& or <&, where bash expands its value again; "
                "write &> or > for a file"
            )
        return at

    def _element(self, at: int, quotes: str = "'\"") -> int:
        """A character, quoted string, substitution or expression; `quotes` are what quotes here."""
        text = self.text
        if at in self.expressions:
            return self._place(at, _UNQUOTED if quotes else _IN_DOUBLE_QUOTES)
        if text[at] == "\\":
            return self._escaped(at)
        if text[at] == "`":
            return self._backticks(at)
        for opening, template in _QUOTES.items():
            if opening[-1] in quotes and text.startswith(opening, at):
                return self._quoted(at + len(opening), opening[-1], template)
        for opening, closing in _EVALUATED:
            if text.startswith(opening, at):
                return self._evaluated(at, opening, closing)
        return self.commands(at + 2, ")") if text.startswith("$(", at) else at + 1

    def _place(self, at: int, template: str) -> int:
        expression = self.expressions[at]
        if self._evaluated_in:
            where = f"inside {self._evaluated_in}, where bash evaluates the text"
            raise _not_allowed(expression, f"{where}; assign it to a variable and check that first")
        self.edits.append(_Edit(at, expression.end, template, expression))
        return expression.end

    def _escaped(self, at: int) -> int:
        if at + 1 in self.expressions:
            raise _not_allowed(self.expressions[at + 1], "after a backslash; remove the backslash")
        return at + 2

    def _quoted(self, at: int, closing: str, template: str) -> int:
        while at < len(self.text) and self.text[at] != closing:
            if at in self.expressions:
                at = self._place(at, template)
            elif template == _IN_DOUBLE_QUOTES:
                at = self._element(at, "")
            elif template == _IN_ANSI_C_QUOTES and self.text[at] == "\\":
                at = self._escaped(at)
            else:
                at += 1
        if at >= len(self.text):
            raise InvalidCommand(f"a quote {closing} is not closed")
        return at + 1

    def _backticks(self, at: int) -> int:
        before = len(self.edits)
        end = self.commands(at + 1, "`")
        inside = self.text[at:end]
        if len(self.edits) > before and ("\\" in inside or "<<" in inside):
            raise InvalidCommand(
                "bash reads `...` twice, so that an expression is not allowed there together with "
                "a backslash or here-document; write $(...) instead"
            )
        return end

    def _evaluated(self, at: int, opening: str, closing: str) -> int:
        """Arithmetic or `${...}`, in which no expression may be."""
        opens = {"))": "(", "]": "["}.get(closing)
        depth = len(closing)
        at += len(opening)
        outer, self._evaluated_in = self._evaluated_in, f"{opening} {closing}"
        while depth:
            if at >= len(self.text):
                raise InvalidCommand(f"a {closing} is missing")
            if self.text[at] in (opens, closing[0]):
                depth += 1 if self.text[at] == opens else -1
                at += 1
            else:
                at = self._element(at)
        self._evaluated_in = outer
        return at

    def _here_document(self, at: int) -> int:
        """`<<EOF`; its body begins after the end of the line."""
        strips_tabs = self.text.startswith("<<-", at)
        at += 3 if strips_tabs else 2
        while self.text.startswith((" ", "\t"), at):
            at += 1
        start = at
        while at < len(self.text) and self.text[at] not in _METACHARACTERS:
            at = self._element(at)
        written = self.text[start:at]
        for expression in find(written):
            raise _not_allowed(expression, "in the delimiter of a here-document; use letters")
        delimiter = re.sub(r"\\([\s\S])|['\"]", r"\1", written)
        self._here_documents.append(
            _HereDocument(start, at, delimiter, delimiter != written, strips_tabs)
        )
        return at

    def _bodies(self, at: int) -> int:
        """The bodies of the here-documents of the line before."""
        here_documents, self._here_documents = self._here_documents, []
        for here_document in here_documents:
            end = here_document.body_end(self.text, at)
            if here_document.quoted:
                if find(self.text[at:end]):
                    self._literal_body(here_document, at, end)
            else:
                while at < end:
                    at = self._element(at, "")
                if at > end:
                    raise InvalidCommand(f"no bracket closes before {here_document.delimiter}")
            at = min(self._end_of_line(end) + 1, len(self.text))
        return at

    def _literal_body(self, here_document: _HereDocument, at: int, end: int) -> None:
        """A body in which bash expands nothing: one where it does, and the rest is escaped."""
        delimiter = here_document.delimiter
        if shlex.quote(delimiter) != delimiter:
            raise InvalidCommand(f"a here-document with an expression cannot end at {delimiter!r}")
        self.edits.append(_Edit(here_document.start, here_document.end, delimiter))
        while at < end:
            if at in self.expressions:
                at = self._place(at, _IN_DOUBLE_QUOTES)
            else:
                if self.text[at] in "\\$`":
                    self.edits.append(_Edit(at, at, "\\"))
                at += 1


def _not_allowed(expression: Expression, where: str) -> InvalidCommand:
    return InvalidCommand(f"{expression} is not allowed {where}")
