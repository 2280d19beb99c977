"""Values in bash commands, where no value can become code or fall apart into words.

A value is never written into the command. It is assigned to a variable in front of it, quoted,
and the expression becomes a reference to that variable, dressed for the quotes around it:

    grep ${{inputs.word}} "${{inputs.folder}}/all.txt"

    __inputs_word='a b'
    __inputs_folder='/data'
    grep "${__inputs_word}" "${__inputs_folder}/all.txt"

bash does not read as code what comes out of a variable, so that even a misjudged quote does no
more than spoil the command. Where it does read it after all (arithmetic, `eval`, the name of the
program), an expression is refused; see `shell_words`. A program that is itself told to run text,
`python -c "...${{inputs.x}}..."`, is beyond this: give the value as an argument of its own.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping

from prefect_parallel.job.shell_scanner import Scanner
from prefect_parallel.job.shell_spots import Quotes, Spot
from prefect_parallel.job.shell_words import UnsafeCommand
from prefect_parallel.job.syntax.expressions import fill, keep_given


def check_command(command: str) -> None:
    """See that each expression of a command stands where a value can be put in safely.

    Raises:
        UnsafeCommand: One does not, or a quote is not closed, or bash could not take the command.
    """
    if "\0" in command:
        raise UnsafeCommand("there is a NUL character in it")
    Scanner(command).scan()


def quoted_command(command: str, values: Mapping[str, str], missing: Iterable[str] = ()) -> str:
    """The command that bash runs.

    Args:
        command: As written.
        values: Expression key -> value, e.g. `inputs.x`.
        missing: Keys of the inputs without value; `$[[...]]` parts that hold one go away.

    Raises:
        UnsafeCommand: A value cannot be put in where it stands.
    """
    command = keep_given(command, set(missing))
    pieces: list[str] = []
    assignments: dict[str, str] = {}
    end = 0
    for spot in Scanner(command).scan():
        expression = spot.expression
        value = values.get(expression.key)
        if value is None:
            # It has come about by what was taken out around it.
            raise UnsafeCommand(f"{expression} names nothing that the step has")
        if "\0" in value:
            raise UnsafeCommand(f"{expression} holds a NUL character, which no command can take")
        pieces.append(command[end : expression.start])
        end = expression.end
        if spot.quotes is Quotes.LITERAL:
            _check_heredoc(spot, values)
            pieces.append(value)
            continue
        variable = "__" + re.sub(r"\W", "_", expression.key, flags=re.ASCII)
        while assignments.get(variable, value) != value:
            variable += "_"
        assignments[variable] = value
        pieces.append(spot.quotes.value % variable)
    pieces.append(command[end:])
    prelude = [f"{name}={shlex.quote(value)}\n" for name, value in assignments.items()]
    return "".join([*prelude, *pieces])


def _check_heredoc(spot: Spot, values: Mapping[str, str]) -> None:
    assert spot.heredoc is not None
    if any(spot.heredoc.ends_with(line) for line in fill(spot.line, values).split("\n")):
        raise UnsafeCommand(
            f"{spot.expression} would end the here-document {spot.heredoc.delimiter}"
        )
