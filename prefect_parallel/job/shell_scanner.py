"""What quotes are around each expression of a command, as bash would read it."""

from __future__ import annotations

import re

from prefect_parallel.job.shell_quoting import Quoting
from prefect_parallel.job.shell_spots import Heredoc, Quotes, Spot
from prefect_parallel.job.shell_words import (
    EXPANSION,
    MARK,
    QUOTED_EXPANSION,
    UnsafeCommand,
    check_words,
    shell_that_reads_its_input,
)

# Words after which a command begins.
_KEYWORDS = {"if", "then", "else", "elif", "do", "while", "until", "!", "{", "time", "coproc"}

_SPECIAL_VARIABLES = re.compile(r"\b(declare|typeset|local|readonly)\s+([-+]\w+\s+)*-\w*[in]")


MAX_DEPTH = 50
"""Of `$(...)` in one another."""


class Scanner(Quoting):
    """Finds out what quotes are around each expression, as bash would."""

    def __init__(self, command: str) -> None:
        super().__init__(command)
        self.heredocs: list[Heredoc] = []
        # A shell that reads code from its input, and whether a value is in any text that is given
        # so: which shell gets which text is not looked into.
        self.reading_shell: str | None = None
        self.value_in_input = False
        self._depth = 0

    def scan(self) -> list[Spot]:
        self.commands(0, "")
        if self.spots and _SPECIAL_VARIABLES.search(self.text):
            raise UnsafeCommand(
                "the command declares integers or references (-i, -n), whose values bash reads "
                "as code"
            )
        if self.reading_shell is not None and self.value_in_input:
            raise UnsafeCommand(
                f"a value is in text that {self.reading_shell} may read as code; give it as an "
                'argument, as in `bash -s ${{inputs.NAME}}`, and write "$1" in the text'
            )
        return sorted(self.spots, key=lambda spot: spot.expression.start)

    def commands(self, at: int, closing: str, *, words_only: bool = False) -> int:
        if self._depth == MAX_DEPTH:
            raise UnsafeCommand(f"commands stand inside commands, deeper than {MAX_DEPTH} levels")
        self._depth += 1
        end = _Commands(self, at, closing, words_only).scan()
        self._depth -= 1
        return end

    def heredoc_bodies(self, at: int) -> int:
        """The bodies that begin in this line; returns the position behind the last."""
        for heredoc in self.heredocs:
            start, before = at, len(self.spots)
            while at < len(self.text):
                end = self.text.find("\n", at)
                end = len(self.text) if end < 0 else end
                line = self.text[at:end]
                if heredoc.ends_with(line):
                    break
                if heredoc.quoted:
                    self._literal_line(at, line, heredoc)
                at = end + 1
            if not heredoc.quoted:
                self.double(start, closing="", stop=min(at, len(self.text)))
            self.value_in_input |= len(self.spots) > before
            at = min(self.text.find("\n", at) + 1 or len(self.text), len(self.text))
        self.heredocs = []
        return at

    def _literal_line(self, at: int, line: str, heredoc: Heredoc) -> None:
        for position in range(at, at + len(line)):
            if position in self.expressions:
                expression = self.expressions[position]
                self.spots.append(Spot(expression, Quotes.LITERAL, heredoc, line))


class _Commands:
    """A list of simple commands: the whole text, or the inside of a substitution or group."""

    def __init__(self, scanner: Scanner, at: int, closing: str, words_only: bool) -> None:
        self.scanner = scanner
        self.text = scanner.text
        self.at = at
        self.closing = closing
        self.words_only = words_only
        self.words: list[str] = []
        self.word = ""
        self.in_word = False
        self.redirects = False
        self.duplicates = False
        self.is_input = False
        self.piped_value = False
        self.cases = 0
        self.in_pattern = False

    def scan(self) -> int:
        while self.at < len(self.text):
            if self.at in self.scanner.expressions:
                self.at = self.scanner.place(self.at, Quotes.NONE)
                self._add(MARK)
            elif self._is_closed():
                self._end_command()
                return self.at + 1
            else:
                self._character(self.text[self.at])
        self._end_command()
        if self.closing:
            raise UnsafeCommand(f"a {self.closing} is missing")
        return self.at

    @property
    def in_test(self) -> bool:
        """Whether this is inside [[ ]], where < > & | ( ) are operators of the test."""
        return self.words[:1] == ["[["] and "]]" not in self.words

    def _is_closed(self) -> bool:
        if not self.closing or self.text[self.at] != self.closing or self.in_test:
            return False
        if self.closing == ")" and self.cases:
            self._end_word()  # It may be the `esac` that this bracket follows.
            return not self.cases
        return True

    def _character(self, character: str) -> None:
        text, at = self.text, self.at
        if character == "\\":
            self._add(text[at + 1 : at + 2].replace("\n", ""))
            self.at = self.scanner.escaped(at)
        elif character == "'":
            self._take(self.scanner.single(at + 1))
        elif character == '"':
            end, content = self.scanner.double(at + 1)
            self._take((end, content.replace(EXPANSION, QUOTED_EXPANSION)))
        elif text.startswith("$'", at):
            self._take(self.scanner.ansi_c(at + 2))
        elif (after := self.scanner.substitution(at)) is not None:
            self._add(EXPANSION)
            self.at = after
        elif character == "#" and not self.in_word:
            self._comment()
        elif character in " \t\r":
            self._end_word()
            self.at += 1
        elif character == "\n":
            self._end_command()
            self.at = self.scanner.heredoc_bodies(at + 1)
        elif self.in_test and character in "<>&|()":
            self._end_word()
            self.at += 1
        elif character in "<>":
            self._redirection(character)
        elif text.startswith("&>", at):
            self._end_word()
            self.at += 1
        elif character in ";&|":
            self._separator()
        elif character == "(":
            self._group()
        elif character == ")":
            self._end_command()
            self.in_pattern = False
            self.at += 1
        else:
            self._add(character)
            self.at += 1

    def _add(self, text: str) -> None:
        self.word += text
        self.in_word = True

    def _take(self, scanned: tuple[int, str]) -> None:
        self.at, content = scanned
        self._add(content)

    def _comment(self) -> None:
        end = self.text.find("\n", self.at)
        end = len(self.text) if end < 0 else end
        while self.at < end:
            if self.at in self.scanner.expressions:
                self.at = self.scanner.place(self.at, Quotes.DOUBLE)
            else:
                self.at += 1

    def _separator(self) -> None:
        value = self.piped_value or any(MARK in word for word in [*self.words, self.word])
        self._end_command()
        self.piped_value = value and self._is_pipe()
        if self.text.startswith(";;", self.at) or self.text.startswith(";&", self.at):
            self.in_pattern = self.cases > 0
            self.at += 1
        self.at += 1

    def _is_pipe(self) -> bool:
        return self.text[self.at] == "|" and not self.text.startswith("||", self.at)

    def _redirection(self, character: str) -> None:
        text = self.text
        if text.startswith((f"{character}(",), self.at):
            self.at = self.scanner.commands(self.at + 2, ")")
            self._add(EXPANSION)
            return
        # A number before it is a file descriptor, not a word of the command.
        if self.word.isdigit():
            self.word, self.in_word = "", False
        self._end_word()
        if text.startswith("<<<", self.at):
            self.at += 3
            self.is_input = True
        elif text.startswith("<<", self.at):
            self._heredoc()
            return
        else:
            start = self.at
            self.at += 1
            while self.text[self.at : self.at + 1] in ("<", ">", "&", "|"):
                self.at += 1
            self.duplicates = "&" in text[start : self.at]
        self.redirects = True

    def _heredoc(self) -> None:
        match = re.compile(r"<<(-?)[ \t]*").match(self.text, self.at)
        assert match is not None
        at = match.end()
        delimiter, quoted = "", False
        while at < len(self.text) and self.text[at] not in " \t\r\n;&|<>()":
            character = self.text[at]
            if at in self.scanner.expressions:
                raise UnsafeCommand(f"{self.scanner.expressions[at]} names a here-document")
            if character in "'\"":
                end = self.text.find(character, at + 1)
                if end < 0:
                    raise UnsafeCommand(f"a quote {character} is not closed")
                delimiter += self.text[at + 1 : end]
                quoted = True
                at = end + 1
            elif character == "\\":
                delimiter += self.text[at + 1 : at + 2]
                quoted = True
                at += 2
            else:
                delimiter += character
                at += 1
        self.scanner.heredocs.append(Heredoc(delimiter, quoted, bool(match[1])))
        self.at = at

    def _group(self) -> None:
        if self.text.startswith("((", self.at) and not self.in_word:
            self.at = self.scanner.forbidden(self.at, "((", "))")
            return
        words = self.in_word
        self.at = self.scanner.commands(self.at + 1, ")", words_only=words)
        if words:
            self._add(EXPANSION)
        self.in_pattern = False

    def _end_word(self) -> None:
        if not self.in_word:
            return
        word, self.word, self.in_word = self.word, "", False
        if self.redirects:
            if self.duplicates and MARK in word:
                # bash expands what comes out of the variable once more.
                raise UnsafeCommand("a value follows >& or <&, where bash reads it as code")
            self.scanner.value_in_input |= self.is_input and MARK in word
            self.redirects = self.duplicates = self.is_input = False
            return
        if not self.words and word == "esac" and self.cases:
            self.cases -= 1
            self.in_pattern = False
        elif self.in_pattern or self.words_only:
            # No word of a command: a value may stand first.
            self.words += ["", word]
        elif self.words or word not in _KEYWORDS:
            self._command_word(word)

    def _command_word(self, word: str) -> None:
        self.words.append(word)
        if self.words[0] == "case" and word == "in" and len(self.words) == 3:
            self.words = []
            self.cases += 1
            self.in_pattern = True

    def _end_command(self) -> None:
        self._end_word()
        self.redirects = self.is_input = False
        check_words(self.words)
        if (shell := shell_that_reads_its_input(self.words)) is not None:
            self.scanner.reading_shell = shell
            self.scanner.value_in_input |= self.piped_value
        if self.words:
            self.piped_value = False
        self.words = []
