"""The page of commands.

Made from what cyclopts knows about each command. The Markdown that cyclopts itself generates
(`generate_docs`) differs between versions, and pages are compared with the committed ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from inspect import Parameter
from typing import Literal, get_args, get_origin

from cyclopts import App
from cyclopts.argument import Argument

from prefect_parallel.cli.app import app
from tools.reference.markdown import code, docstring, document, fenced, line, prose, table

_EXAMPLE = "Example: "

_INTRO = """\
Every command has `--help`. `prefect-parallel --version` prints the relevant versions, and
`prefect-parallel --install-completion` sets up completion of commands, options, files, and names
of runs and steps in your shell."""


def page() -> str:
    return document("Commands", _INTRO, str(app.help_epilogue), *_commands(app, "prefect-parallel"))


def _commands(of: App, name: str) -> Iterator[str]:
    for word in of:
        if not word.startswith("-"):
            command, full = of[word], f"{name} {word}"
            yield f"## {full}"
            yield from _command(command)
            yield from _commands(command, full)


def _command(command: App) -> Iterator[str]:
    if command.default_command is None:
        yield str(command.help)
        return
    paragraphs = prose(docstring(command.default_command)).split("\n\n")
    examples = [line(part) for part in paragraphs if part.startswith(_EXAMPLE)]
    yield from (line(part) for part in paragraphs if not part.startswith(_EXAMPLE))
    yield fenced("bash", "\n".join(each.removeprefix(_EXAMPLE) for each in examples))
    options = command.assemble_argument_collection(parse_docstring=True)
    rows = [_option(option) for option in options if option.show]
    yield table(("option", "default", ""), rows) if rows else ""


def _option(option: Argument) -> tuple[str, str, str]:
    default = option.field_info.default
    shown = code(default) if option.show_default and default is not False else ""
    about = str(option.parameter.help)
    if get_origin(option.hint) is Literal:
        about += f" One of {', '.join(map(code, get_args(option.hint)))}."
    if option.required:
        about += " **Required.**"
    by_position = option.field_info.kind is Parameter.POSITIONAL_OR_KEYWORD
    names = [option.field_info.name.upper(), *option.names] if by_position else option.names
    return ", ".join(map(code, names)), shown, about
