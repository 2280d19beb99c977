"""The page about the Python API."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from docstring_parser import Docstring

import prefect_parallel
from prefect_parallel.data import FileCollection, Table
from tools.reference.markdown import code, docstring, document, example, fenced, prose, table

_INTRO = """\
Import these names from `prefect_parallel`. All errors are subclasses of
`prefect_parallel.errors.PrefectParallelError`. The [blocks](blocks.md) are in
`prefect_parallel.blocks`."""

_STARS: Mapping[object, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}

_RETURNED = (Table, FileCollection)
"""Classes that users do not import, but get from functions."""


def page() -> str:
    names = sorted(prefect_parallel.__all__, key=str.lower)
    parts = [part for name in names for part in _name(getattr(prefect_parallel, name))]
    returned = [part for kind in _RETURNED for part in _returned(kind)]
    return document("Python", _INTRO, *parts, *returned)


def _name(named: Any) -> Iterator[str]:
    yield f"## {named.__name__}"
    yield from _described(named, named.__name__)


def _returned(kind: type) -> Iterator[str]:
    yield f"## {kind.__name__}"
    yield from _text(docstring(kind))
    for name, member in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith("_"):
            yield f"### {kind.__name__}.{name}"
            yield from _described(member, name)


def _described(named: Callable[..., Any], name: str) -> Iterator[str]:
    yield fenced("python", _signature(named, name))
    yield from _text(docstring(named))


def _text(doc: Docstring) -> Iterator[str]:
    yield prose(doc)
    if doc.params:
        yield table(
            ("", ""), ((code(each.arg_name), each.description or "") for each in doc.params)
        )
    if doc.returns:
        yield f"Returns: {doc.returns.description}"
    if doc.raises:
        rows = ((code(each.type_name), each.description or "") for each in doc.raises)
        yield table(("raises", "when"), rows)
    yield example(doc)


def _signature(of: Callable[..., Any], name: str) -> str:
    signature = inspect.signature(of)
    parameters = [each for each in signature.parameters.values() if each.name != "self"]
    made = "" if signature.return_annotation is None else f" -> {signature.return_annotation}"
    lines = [f"    {part}," for part in _parameters(parameters)]
    return "\n".join([f"{name}(", *lines, f"){made}"]) if lines else f"{name}(){made}"


def _parameters(parameters: list[inspect.Parameter]) -> Iterator[str]:
    """Those of a signature, with the marks between positional and keyword ones."""
    before = None
    for each in parameters:
        if before is each.POSITIONAL_ONLY and each.kind is not before:
            yield "/"
        if each.kind is each.KEYWORD_ONLY and before not in (
            each.KEYWORD_ONLY,
            each.VAR_POSITIONAL,
        ):
            yield "*"
        before = each.kind
        default = "" if each.default is each.empty else f" = {_shown(each.default)}"
        yield f"{_STARS.get(each.kind, '')}{each.name}: {each.annotation}{default}"


def _shown(default: object) -> str:
    return f'"{default}"' if isinstance(default, str) else repr(default)
