"""Checks of an entry script that do not run it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from prefect_parallel.errors import Problem


def check_script(script: Path, shown_as: str) -> list[Problem]:
    """Check that the script parses and has a function `run`, without running it."""
    try:
        tree = ast.parse(script.read_bytes(), str(script))
    except SyntaxError as error:
        return [Problem(f"syntax error: {error.msg}", shown_as, error.lineno, error.offset)]
    except (ValueError, OSError) as error:
        return [Problem(f"cannot be read: {error}", shown_as)]
    if set(_names(tree.body)) & {"run", "Run", "*"}:
        return []
    hint = "add `def run(mini_batch):` at the top level"
    return [Problem("the entry script has no function run", shown_as, hint=hint)]


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
