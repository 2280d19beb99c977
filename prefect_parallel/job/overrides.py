"""Values from the command line, put into a document: `--set jobs.score.mini_batch_size=1mb`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect_parallel.errors import InvalidPipeline, Problem
from prefect_parallel.job.document import Document, Items, Path_, Section, Typed, parse_document
from prefect_parallel.job.model import nearest


def apply_overrides(document: Document, overrides: Sequence[str]) -> None:
    """Put each `a.b.c=value` into the document.

    A value is text, unless it begins with `{` or `[`: then it is YAML. What stands in the place
    of text stays text; everything else is what its key wants it to be.

    Raises:
        InvalidPipeline: One of them is not of that form, or leads nowhere.
    """
    problems = [problem for text in overrides if (problem := _apply(document, text))]
    if problems:
        raise InvalidPipeline(problems)


def _apply(document: Document, argument: str) -> Problem | None:
    name = f"--set {argument}"
    dotted_path, separator, text = argument.partition("=")
    keys = dotted_path.strip().split(".")
    if not separator or not all(keys):
        return Problem("not of the form", name, allowed="--set KEY.KEY=VALUE")
    node: Any = document.data
    path: Path_ = ()
    for key in keys[:-1]:
        child = _child(node, key)
        if child is None and isinstance(node, Section) and path != ("jobs",):
            child = Section((*path, key))
            node.put(key, child)
        if not isinstance(child, (Section, Items)):
            known = list(node) if isinstance(node, Section) else []
            return Problem(
                "there is no such key" if child is None else "that is a value, not a mapping",
                name,
                key=".".join([*map(str, path), key]),
                hint=nearest(key, known),
            )
        node, path = child, (*path, key)
    return _put(document, node, keys[-1], path, text, argument)


def _put(
    document: Document, node: Section | Items, key: str, path: Path_, text: str, argument: str
) -> Problem | None:
    name = f"--set {argument}"
    old = _child(node, key)
    if isinstance(old, Section) and "path" in old and not text.startswith("{"):
        return Problem(
            "that is data, not a single value",
            name,
            key=".".join([*map(str, path), key]),
            hint=f"--set {'.'.join([*map(str, path), key])}.path={text}",
        )
    value: Any = Typed(text)
    if text.startswith(("{", "[")):
        value = parse_document(f"{{value: {text}}}", name, document.folder).data["value"]
        _move(value, (*path, key))
    elif type(old) is str:
        value = text
    if isinstance(node, Section):
        node.put(key, value)
    elif key.isdigit() and int(key) < len(node):
        node[int(key)] = value
    else:
        return Problem("there is no such item", name, key=".".join(map(str, path)))
    document.origins[(*path, key)] = argument
    return None


def _child(node: Section | Items, key: str) -> Any:
    if isinstance(node, Section):
        return node.get(key)
    return node[int(key)] if key.isdigit() and int(key) < len(node) else None


def _move(value: Any, path: Path_) -> None:
    """Tell a tree where it stands now."""
    if isinstance(value, (Section, Items)):
        value.path = path
        children = value.items() if isinstance(value, Section) else enumerate(value)
        for key, child in children:
            _move(child, (*path, key))
