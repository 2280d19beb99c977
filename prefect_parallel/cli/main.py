"""Runs the command that was typed, and prints what is wrong with it."""

from __future__ import annotations

import sys

from cyclopts import CycloptsError, MissingArgumentError

from prefect_parallel.cli.app import app
from prefect_parallel.cli.console import error_count, plain_console, print_titled
from prefect_parallel.cli.exit_status import COMPLETED, FAILED, INVALID, INVALID_ERRORS
from prefect_parallel.errors import InvalidFile, PrefectParallelError


def main() -> None:
    """Run the command in `sys.argv` and exit."""
    sys.exit(_status())


def _status() -> int:
    console = plain_console(stderr=True)
    try:
        status = app(result_action="return_value", exit_on_error=False, print_error=False)
    except CycloptsError as error:
        print_titled(console, "error:", "bold red", _of_arguments(error))
        return INVALID
    except KeyboardInterrupt:
        print_titled(console, "Canceled", "yellow", " nothing was run")
        return FAILED
    except InvalidFile as error:
        done = "deployed" if sys.argv[1:2] == ["deploy"] else "run"
        text = f"{error_count(error)}, nothing was {done}\n{error}"
        print_titled(console, "invalid:", "bold red", text)
        return INVALID
    except PrefectParallelError as error:
        print_titled(console, "error:", "bold red", str(error))
        return INVALID if isinstance(error, INVALID_ERRORS) else FAILED
    return status if isinstance(status, int) else COMPLETED


def _of_arguments(error: CycloptsError) -> str:
    """One line about wrong arguments; Cyclopts would draw a box, and wrap words and paths in it."""
    command = " ".join(("prefect-parallel", *(error.command_chain or ())))
    text = str(error)
    argument = error.argument if isinstance(error, MissingArgumentError) else None
    if argument is not None and argument.index is not None:
        text = f"{argument.name.lstrip('-').upper()} is missing."
    return f"{text} See {command} --help"
