"""Overrides of values in a document, by `--set jobs.score.mini_batch_size=1mb` or another file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from prefect_parallel.document import Document, Items, KeyPath, Section, Typed, dotted
from prefect_parallel.errors import InvalidPipeline, Problem, advice_for, did_you_mean
from prefect_parallel.job.models.io_models import as_type
from prefect_parallel.yaml_file import MAX_DEPTH, parse_document
from prefect_parallel.yaml_scalar import parse_scalar
from prefect_parallel.yaml_schema import Refused

MAX_DIGITS = 10
"""Maximum number of digits of an index in a list."""


def apply_overrides(document: Document, overrides: Sequence[str]) -> None:
    """Put each `a.b.c=value` into the document.

    A value that begins with `{` or `[` is YAML, any other one is text. Where the document has
    text, it stays text; an input that is a number or a boolean stays one, unless it becomes an
    expression; elsewhere, its key decides its type.

    Raises:
        InvalidPipeline: An override is malformed, or its key does not exist.
    """
    problems: list[Problem] = []
    for argument in overrides:
        try:
            _apply(document, argument)
        except InvalidPipeline as error:
            problems += error.problems
    if problems:
        raise InvalidPipeline(problems)


def merge(document: Document, changes: Mapping[str, Any], source: Document, top: KeyPath) -> None:
    """Put values of another file into a document, mapping by mapping; lists are replaced.

    Args:
        changes: The values, by top-level keys of the document.
        source: The other file.
        top: The path of the values there.
    """

    def into(target: Section, changes: Mapping[str, Any]) -> None:
        for key, value in changes.items():
            old, path = target.get(key), (*target.path, key)
            if isinstance(old, Section) and isinstance(value, Section):
                into(old, value)
                continue
            document.origins[path] = source.origin((*top, *path))
            target.put(key, own := deepcopy(value))
            _move(own, path)

    into(document.data, changes)


def _apply(document: Document, argument: str) -> None:
    name = f"--set {argument}"
    dotted_path, separator, text = argument.partition("=")
    keys = dotted_path.strip().split(".")
    if not separator or not all(keys):
        raise InvalidPipeline([Problem("no key", name, allowed="--set KEY.KEY=VALUE")])
    if len(keys) > MAX_DEPTH:
        raise InvalidPipeline([Problem(f"nested deeper than {MAX_DEPTH} levels", name)])
    if keys[0] == "inputs" and len(keys) > 1:
        _refuse_unknown_input(document, keys[1], name)
    node: Any = document.data
    path: KeyPath = ()
    # A missing mapping is made, but not a missing step: its name is misspelt.
    makes = True
    for key in keys[:-1]:
        makes, node = key != "jobs" or "component" in node, _step_into(node, path, key, name, makes)
        path = (*path, key)
    last, full_path = keys[-1], (*path, keys[-1])
    value = _value(_child(node, last), full_path, text, document, name)
    if isinstance(node, Section):
        node.put(last, value)
    elif _child(node, last) is not None:
        node[int(last)] = value
    else:
        raise InvalidPipeline([Problem("the list has no such index", name, key=dotted_path)])
    document.origins[full_path] = name


def _refuse_unknown_input(document: Document, key: str, name: str) -> None:
    """An input that the job does not declare would have no effect; its component may declare it."""
    declared = document.data.get("inputs") or Section()
    # Anything else is reported when it is read.
    if isinstance(declared, Section) and key not in declared and "component" not in document.data:
        message, place = "the pipeline has no such input", dotted(("inputs", key))
        raise InvalidPipeline([Problem(message, name, key=place, **advice_for(key, declared))])


def _step_into(
    node: Section | Items, path: KeyPath, key: str, name: str, makes: bool
) -> Section | Items:
    child = _child(node, key)
    if child is None and isinstance(node, Section) and makes:
        child = Section((*path, key))
        node.put(key, child)
    if isinstance(child, (Section, Items)):
        return child
    message = "there is no such key" if child is None else "not a mapping, but a value"
    known = list(node) if isinstance(node, Section) else []
    raise InvalidPipeline(
        [Problem(message, name, key=dotted((*path, key)), hint=did_you_mean(key, known))]
    )


def _value(old: Any, path: KeyPath, text: str, document: Document, name: str) -> Any:
    if text.startswith(("{", "[")):
        read = parse_document(f"{{value: {text}}}", name, InvalidPipeline).data
        if len(read) > 1:
            message = "more follows after the closing bracket"
            raise InvalidPipeline([Problem(message, name, key=dotted(path))])
        value = read["value"]
        _move(value, path)
        return value
    is_data = isinstance(old, Section) and "value" not in old
    if is_data and path[-2:-1] in (("inputs",), ("outputs",)):
        hint = f"--set {dotted(path)}.path={text}"
        raise InvalidPipeline(
            [Problem("not a single value, but data", name, key=dotted(path), hint=hint)]
        )
    if isinstance(old, (bool, int, float)) and _is_input(path) and "${{" not in text:
        try:
            return as_type(parse_scalar(text), "boolean" if isinstance(old, bool) else "number")
        except Refused as refused:
            problem = Problem(refused.found, name, key=dotted(path), allowed=refused.allowed)
            raise InvalidPipeline([problem]) from refused
    return text if type(old) is str else Typed(text)


def _is_input(path: KeyPath) -> bool:
    """Whether a value is an input of the pipeline or of a step, also written `{value: X}`."""
    *parents, _ = path[:-1] if path[-1] == "value" else path
    return parents[-1:] == ["inputs"] and set(parents[:-1:2]) <= {"jobs"} and len(parents) % 2 == 1


def _child(node: Section | Items, key: str) -> Any:
    if isinstance(node, Section):
        return node.get(key)
    is_index = key.isdecimal() and len(key) < MAX_DIGITS
    return node[int(key)] if is_index and int(key) < len(node) else None


def _move(value: Any, path: KeyPath) -> None:
    """Set the paths in a tree."""
    if isinstance(value, (Section, Items)):
        value.path = path
        children = value.items() if isinstance(value, Section) else enumerate(value)
        for key, child in children:
            _move(child, (*path, key))
