"""The fingerprint of a function: the same in all processes, and wherever its file is.

Pickles would not do: they have paths and line numbers in them, and sets in any order.
"""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, MemberDescriptorType, ModuleType
from typing import Any, TypeAlias

import cloudpickle

from prefect_parallel.functions.captured import captured
from prefect_parallel.functions.modules import is_installed

Definition: TypeAlias = FunctionType | type

_IGNORED = {
    *("__dict__", "__weakref__", "__module__", "__doc__"),
    *("__firstlineno__", "__static_attributes__", "_abc_impl"),
}
"""Attributes of a class that do not change what it does."""


def fingerprint_of(definition: Definition, arguments: Any = None) -> str:
    """Digest of a function or class, its code, and the values that it refers to.

    Installed packages count by their names only.

    Args:
        definition: The function or class.
        arguments: The arguments of a class's constructor.
    """
    digest = _Digest()
    return digest.of((digest.of_definition(definition), digest.of(arguments)))


class _Digest:
    def __init__(self) -> None:
        # With the values, whose ids are taken as long as they exist.
        self._known: dict[int, tuple[Any, str]] = {}

    def of(self, value: Any) -> str:
        if value is None or type(value) in (bool, int, float, complex, str, bytes):
            return _sha(f"{type(value).__name__} {value!r}")
        if id(value) not in self._known:
            self._known[id(value)] = value, f"cycle {len(self._known)}"
            self._known[id(value)] = value, _sha(f"{type(value).__name__} {self._parts(value)}")
        return self._known[id(value)][1]

    def _parts(self, value: Any) -> Any:
        """What tells a value from others of its type."""
        known = is_installed(type(value).__module__)
        match value:
            case functools._lru_cache_wrapper():
                return self.of(value.__wrapped__), self.of(value.cache_parameters())
            case list() | tuple() if known:
                return [self.of(each) for each in value]
            case set() | frozenset():
                items = sorted(self.of(each) for each in value)
                return items if known else (self.of(type(value)), items, self.of(vars(value)))
            case dict() if known:
                return [(self.of(key), self.of(each)) for key, each in value.items()]
            case CodeType():
                return self._of_code(value)
            case MemberDescriptorType():
                return value.__name__
            case staticmethod() | classmethod():
                return self.of(value.__func__)
            case property():
                return [self.of(each) for each in (value.fget, value.fset, value.fdel)]
            case functools.cached_property():
                return self.of(value.func)
            case functools.partial():
                return [self.of(each) for each in (value.func, value.args, value.keywords)]
            case ModuleType():
                return self._of_module(value)
            case FunctionType() | type():
                # `functools.wraps` gives a function the module of another one.
                holder = getattr(value, "__globals__", {}).get("__name__", value.__module__)
                if is_installed(holder):
                    return holder, value.__qualname__
                return self.of_definition(value)
        reduced = None if known else value.__reduce_ex__(4)
        if not isinstance(reduced, tuple):
            return cloudpickle.dumps(value)
        # Not `vars`, which has neither slots nor the content of text, dicts and arrays.
        parts = [list(each) if isinstance(each, Iterator) else each for each in reduced[1:5]]
        return self.of(type(value)), self.of(parts)

    def of_definition(self, value: Definition) -> Any:
        if isinstance(value, FunctionType):
            return self.of(value.__code__), self.of(captured(value))
        attributes = {name: each for name, each in vars(value).items() if name not in _IGNORED}
        return value.__qualname__, self.of(value.__bases__), self.of(attributes)

    def _of_code(self, code: CodeType) -> Any:
        counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
        names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
        return code.co_code, counts, names, self.of(code.co_consts)

    def _of_module(self, module: ModuleType) -> Any:
        """The file of a module that is not installed, and those of such modules that it uses."""
        file = getattr(module, "__file__", None)
        if is_installed(module.__name__) or file is None:
            return module.__name__
        used = sorted(filter(None, map(_module_of, vars(module).values())))
        others = [self.of(sys.modules[name]) for name in dict.fromkeys(used) if name in sys.modules]
        return module.__name__, hashlib.sha256(Path(file).read_bytes()).hexdigest(), others


def _module_of(value: Any) -> str | None:
    """The module that a global of a module is, or comes from."""
    if isinstance(value, ModuleType):
        return value.__name__
    return value.__module__ if isinstance(value, (FunctionType, type)) else None


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
