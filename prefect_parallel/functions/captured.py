"""The values that a function or class refers to."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any


def captured(definition: FunctionType | type) -> dict[str, Any]:
    """The globals, closure and defaults of a function, or of a class's methods, by name."""
    found: dict[str, Any] = {}
    for function in _functions(definition):
        found.update(_globals(function) | _closure(function) | _defaults(function))
    return dict(sorted(found.items()))


def _functions(definition: FunctionType | type) -> Iterator[FunctionType]:
    if isinstance(definition, FunctionType):
        yield definition
        return
    for value in vars(definition).values():
        inner = getattr(value, "__func__", getattr(value, "fget", value))
        if isinstance(inner, FunctionType):
            yield inner


def _globals(function: FunctionType) -> dict[str, Any]:
    known = function.__globals__
    return {name: known[name] for name in _names(function.__code__) if name in known}


def _names(code: CodeType) -> Iterator[str]:
    """The names of globals in a code object and those inside it."""
    for each in dis.get_instructions(code):
        if each.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
            yield each.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _closure(function: FunctionType) -> dict[str, Any]:
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    # A cell is empty until its variable is assigned.
    return {name: cell.cell_contents for name, cell in cells if cell != type(cell)()}


def _defaults(function: FunctionType) -> dict[str, Any]:
    defaults = function.__defaults__ or ()
    code = function.__code__
    positional = code.co_varnames[: code.co_argcount][code.co_argcount - len(defaults) :]
    return dict(zip(positional, defaults, strict=True)) | (function.__kwdefaults__ or {})
