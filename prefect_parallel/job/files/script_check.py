"""Checks of an entry script that do not run it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from prefect_parallel.errors import Problem

_LOGS = "pass paths as arguments, such as --model ${{inputs.model}}; EntryScript().logger logs"

_INSTEAD = {
    "mltable": "the mini-batch of a table is a DataFrame; prefect_parallel.load_table reads others",
    "azureml.core": _LOGS,
    "azureml.contrib": _LOGS,
    "azureml.data": "prefect_parallel.load_table reads the table of an input",
    "azureml.dataprep": "prefect_parallel.load_table reads the table of an input",
    "azureml.fsspec": "inputs of the step are local paths",
    "azure.ai.ml": _LOGS,
}
"""Modules that are made for Azure ML -> what to use instead."""


def check_script(script: Path, shown_as: str) -> tuple[list[Problem], list[Problem]]:
    """Check a script without running it.

    Returns:
        Errors: it does not parse, or has no function `run`. Warnings: imports that are made for
        Azure ML.
    """
    try:
        tree = ast.parse(script.read_bytes(), str(script))
    except SyntaxError as error:
        return [Problem(f"syntax error: {error.msg}", shown_as, error.lineno, error.offset)], []
    except (ValueError, OSError) as error:
        return [Problem(f"cannot be read: {error}", shown_as)], []
    warnings = [
        Problem(
            f"imports {module}, which is made for Azure ML",
            shown_as,
            line,
            hint=_INSTEAD[module],
        )
        for module, line in _of_azure(tree)
    ]
    if set(_names(tree.body)) & {"run", "Run", "*"}:
        return [], warnings
    hint = "add `def run(mini_batch):` at the top level"
    return [Problem("the entry script has no function run", shown_as, hint=hint)], warnings


def _of_azure(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The modules of Azure ML that a script imports anywhere, each with the first line."""
    seen: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                imported = [alias.name for alias in node.names]
            case ast.ImportFrom(module=str(module), level=0):
                imported = [f"{module}.{alias.name}" for alias in node.names]
            case _:
                continue
        for module in _INSTEAD:
            if module not in seen and any(f"{each}.".startswith(f"{module}.") for each in imported):
                seen.add(module)
                yield module, node.lineno


def _names(body: list[ast.stmt]) -> Iterator[str]:
    """The names that statements define, including those under `if`, `try` and `with`."""
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name):
                yield name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                for alias in aliases:
                    yield alias.asname or alias.name
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                for node in ast.walk(statement):
                    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                        yield node.id
            case _:
                for _, value in ast.iter_fields(statement):
                    if isinstance(value, list):
                        yield from _names([item for item in value if isinstance(item, ast.stmt)])
                        for item in value:
                            if isinstance(item, (ast.ExceptHandler, ast.match_case)):
                                yield from _names(item.body)
