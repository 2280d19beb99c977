"""Commands that read words as code, in which no value may stand."""

from __future__ import annotations

import re
from itertools import pairwise

from prefect_parallel.errors import PrefectParallelError

MARK = "\0"
"""Stands for an expression in a scanned word; no command can hold this character."""
EXPANSION = "$"
"""Stands for `$(...)` and the like; out of quotes, a word of nothing else may vanish."""
QUOTED_EXPANSION = "\1"
"""The same in double quotes."""

_VANISHES = re.compile(r"(\$\w*)+")

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(\[[^\]]*\])?\+?=", re.ASCII)
_WRAPPERS = {"builtin", "command", "env", "exec", "nice", "nohup", "sudo", "time", "timeout"}
_SHELLS = {"ash", "bash", "dash", "ksh", "sh", "zsh"}
_SHELL_INSIDE = re.compile(rf"\b({'|'.join(sorted(_SHELLS))})\b")
_GIVES_SCRIPT = re.compile(r"-[A-Za-z]*c[A-Za-z]*")
# They evaluate their arguments, or take names of variables, whose subscripts bash evaluates.
_EVALUATE = {
    "alias",
    "eval",
    "getopts",
    "let",
    "mapfile",
    "read",
    "readarray",
    "ssh",
    "su",
    "trap",
    "unset",
    "watch",
}
_DECLARE = {"declare", "export", "local", "readonly", "typeset"}
_ARITHMETIC_TESTS = {"-eq", "-ne", "-lt", "-le", "-gt", "-ge"}
_NAME_TESTS = {"-v", "-R"}


class UnsafeCommand(PrefectParallelError):
    """An expression stands where bash could read its value as code."""


def is_assignment(word: str) -> bool:
    return _ASSIGNMENT.match(word) is not None


def check_words(words: list[str]) -> None:
    """See that no value in a simple command can be read as code.

    Args:
        words: Its words, quotes taken off, each expression a MARK.

    Raises:
        UnsafeCommand: One can.
    """
    words = _unwrapped(words)
    while any(MARK in word for word in words):
        _check_command(words)
        if not _VANISHES.fullmatch(words[0]):
            break
        # Without its first word, the second is the command.
        words = _unwrapped(words[1:])


def _check_command(words: list[str]) -> None:
    name = _bare(words[0])
    if MARK in words[0] and "/" not in words[0]:
        raise UnsafeCommand(
            "a value stands where the name of a program does; write the program's name, "
            "or a path with a slash"
        )
    arguments = words[1:]
    if name in _EVALUATE and any(MARK in word for word in arguments):
        raise UnsafeCommand(f"a value is given to {name}, which reads it as code")
    if name in _DECLARE:
        _check_declaration(name, arguments)
    if name in ("test", "[", "[[", "printf"):
        _check_test(name, arguments)
    _check_shells(words)


def _bare(word: str) -> str:
    """A program's name without its folder, and without what expands to nothing."""
    return word.replace(EXPANSION, "").replace(QUOTED_EXPANSION, "").rpartition("/")[2]


def _unwrapped(words: list[str]) -> list[str]:
    """The words of the command itself, without assignments and `env`, `timeout 5` and the like."""
    wrapper = ""
    while words:
        word = words[0]
        if is_assignment(word):
            _check_assignment(word)
        elif _bare(word) in _WRAPPERS:
            wrapper = word
        elif wrapper == "timeout" and not word.startswith("-"):
            wrapper = "timed"
        elif not (wrapper and word.startswith("-")):
            break
        words = words[1:]
    return words


def _check_assignment(word: str) -> None:
    match = _ASSIGNMENT.match(word)
    if match and match[1] and MARK in match[1]:
        raise UnsafeCommand("a value stands in a subscript, where bash reads it as code")


def _check_declaration(name: str, arguments: list[str]) -> None:
    options = "".join(word for word in arguments if word.startswith(("-", "+")))
    for word in arguments:
        if MARK not in word:
            continue
        if not is_assignment(word):
            raise UnsafeCommand(f"a value is the name that {name} declares")
        _check_assignment(word)
        if "i" in options or "n" in options:
            raise UnsafeCommand(f"a value is given to {name} {options}, which reads it as code")


def _check_test(name: str, arguments: list[str]) -> None:
    if name == "[[" and _ARITHMETIC_TESTS & set(arguments):
        raise UnsafeCommand(
            "a value is compared as a number inside [[ ]], where bash reads it as code; use [ ]"
        )
    for option, argument in pairwise(arguments):
        if option in _NAME_TESTS and MARK in argument:
            raise UnsafeCommand(f"a value is given to {name} {option}, which reads it as code")


def shell_that_reads_its_input(words: list[str]) -> str | None:
    """The shell among the words of a simple command that reads its standard input as code, if any.

    Without `-c` and without a file, a shell does. With `-c`, a shell in its script may.
    """
    for position, word in enumerate(words):
        if _bare(word) in _SHELLS:
            rest = words[position + 1 :]
            given = [option for option in rest if not option.startswith("-")]
            runs_script = any(_GIVES_SCRIPT.fullmatch(option) for option in rest)
            if not given or "-s" in rest or (runs_script and _SHELL_INSIDE.search(given[0])):
                return word
    return None


def _check_shells(words: list[str]) -> None:
    """A shell's `-c SCRIPT` reads the script as code; what follows are plain arguments."""
    for position, word in enumerate(words):
        # `$SHELL -c` is one as well, for all that can be known.
        unknown = position == 0 and (EXPANSION in word or QUOTED_EXPANSION in word)
        if _bare(word) not in _SHELLS and not unknown:
            continue
        rest = words[position + 1 :]
        for number, option in enumerate(rest):
            if _GIVES_SCRIPT.fullmatch(option):
                script = next((word for word in rest[number + 1 :] if not word.startswith("-")), "")
                if MARK in script:
                    raise UnsafeCommand(
                        f"a value stands in the script of {word} {option}; give it as an argument: "
                        f"{word} {option} 'echo \"$1\"' _ ${{{{inputs.NAME}}}}"
                    )
                break
            if not option.startswith("-"):
                break
