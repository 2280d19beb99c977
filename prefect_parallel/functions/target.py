"""What runs over each mini-batch: a function, or a class with its constructor's arguments."""

from __future__ import annotations

import functools
import inspect
import io
import re
import threading
import typing
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import cloudpickle

from prefect_parallel.entry.function_file import FunctionHeader, Wanted
from prefect_parallel.errors import InvalidCall
from prefect_parallel.functions.captured import captured
from prefect_parallel.functions.fingerprint import fingerprint_of
from prefect_parallel.functions.modules import is_installed, modules_by_value

LARGE_BYTES = 10 * 1024**2
"""A larger pickle gets a warning: each entry process loads it."""

_WANTED: Mapping[tuple[str, str], Wanted] = {
    ("pandas", "DataFrame"): "DataFrame",
    ("pyarrow", "Table"): "Table",
    ("builtins", "list"): "list",
}

_registering = threading.Lock()


class InvalidFunction(InvalidCall):
    """It is not a function or class that can run over mini-batches."""


class CannotPickle(InvalidCall):
    """A function refers to something that cannot be sent to another process."""


class LargeFunction(UserWarning):
    """A function refers to much data, which each entry process loads."""


@dataclass(frozen=True)
class Target:
    """What runs over each mini-batch.

    Attributes:
        definition: A function; or a class, whose instances have `__call__` or `run`.
        arguments: Positional arguments of the class's constructor.
        keywords: Its keyword arguments.
    """

    definition: FunctionType | type
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        definition = self.definition
        if not isinstance(definition, (FunctionType, type)):
            found = f"found a value of type {type(definition).__name__}"
            raise InvalidFunction(found, allowed="a function or a class")
        if self._run is None:
            hint = "define def __call__(self, mini_batch): or def run(self, mini_batch):"
            raise InvalidFunction(f"the class {self.name} has no __call__ and no run", hint=hint)
        for is_kind, kind in (
            (inspect.isgeneratorfunction, "a generator function"),
            (inspect.iscoroutinefunction, "an async function"),
            (inspect.isasyncgenfunction, "an async generator function"),
        ):
            if is_kind(self._run):
                hint = "use a plain function that returns a DataFrame or a list"
                raise InvalidFunction(f"{self.name} is {kind}", hint=hint)
        if not self._parameters:
            hint = "its first argument is the mini-batch"
            raise InvalidFunction(f"{self.name} takes no argument", hint=hint)

    def bound(self, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> Target:
        """The class with arguments of its constructor.

        Raises:
            InvalidFunction: The constructor does not take them.
        """
        # Some classes that are written in C have no signature.
        with suppress(ValueError):
            signature = inspect.signature(self.definition)
            try:
                signature.bind(*arguments, **keywords)
            except TypeError as error:
                raise InvalidFunction(
                    f"the arguments of {self.name}{signature}: {error}",
                    hint=f"parallel({self.name})(...) takes the arguments of its constructor",
                ) from error
        return replace(self, arguments=arguments, keywords=keywords)

    @property
    def name(self) -> str:
        name = self.definition.__name__
        return "function" if name == "<lambda>" else name

    @property
    def step_name(self) -> str:
        """Its name in lower case with underscores, as the names of steps are."""
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.name).lower()
        return re.sub(r"[^a-z0-9_]", "_", words)

    @property
    def is_class(self) -> bool:
        return isinstance(self.definition, type)

    @property
    def wanted(self) -> Wanted | None:
        """What the annotation of the first argument asks for."""
        annotation = self._parameters[0].annotation
        if isinstance(annotation, str):
            annotation = self._evaluated(annotation)
        kind = typing.get_origin(annotation) or annotation
        if isinstance(kind, type):
            package = kind.__module__.partition(".")[0]
            return _WANTED.get((package, kind.__name__))
        return None

    def write(self, file: Path) -> None:
        """Pickle it to a file that entry processes load.

        Raises:
            CannotPickle: It refers to something that cannot be pickled.
        """
        made: Any = self.definition
        if self.is_class:
            made = functools.partial(self.definition, *self.arguments, **self.keywords)
        with _by_value():
            try:
                pickled = _dumps(made)
            except Exception as error:  # Each type refuses in its own way.
                raise self._cannot_pickle(error) from error
            if len(pickled) > LARGE_BYTES:
                warnings.warn(self._large(len(pickled)), LargeFunction, stacklevel=2)
            fingerprint = fingerprint_of(self.definition, [self.arguments, dict(self.keywords)])
        file.parent.mkdir(parents=True, exist_ok=True)
        method = self._run.__name__ if self.is_class else None
        FunctionHeader(self.name, fingerprint, self.wanted, method).write(file, pickled)

    @property
    def _run(self) -> Any:
        if not isinstance(self.definition, type):
            return self.definition
        # Not getattr: each class has the __call__ of its own type, which makes instances.
        methods = {
            name: each
            for base in self.definition.__mro__[::-1]
            for name, each in vars(base).items()
        }
        return methods.get("__call__") or methods.get("run")

    @property
    def _parameters(self) -> list[inspect.Parameter]:
        """The positional parameters, without `self`."""
        kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
        found = inspect.signature(self._run).parameters.values()
        return [each for each in found if each.kind not in kinds][self.is_class :]

    def _evaluated(self, annotation: str) -> Any:
        """An annotation that is text; None if it uses a name that only type checkers know."""
        try:
            # As typing.get_type_hints does.
            return eval(annotation, self._run.__globals__)  # noqa: S307
        except NameError:
            return None
        except (AttributeError, SyntaxError, TypeError) as error:
            message = f"the annotation {annotation!r} of {self.name}'s first argument: {error}"
            raise InvalidFunction(message) from error

    def _values(self) -> dict[str, Any]:
        bound = {f"argument {number}": each for number, each in enumerate(self.arguments)}
        return captured(self.definition) | bound | dict(self.keywords)

    def _cannot_pickle(self, error: Exception) -> CannotPickle:
        for name, value in self._values().items():
            if (reason := _refusal(value)) is not None:
                return CannotPickle(
                    f"{self.name} refers to {name}, which cannot be sent to another process:"
                    f" {reason}",
                    hint="make it in the function, or in the __init__ of a class",
                )
        return CannotPickle(f"{self.name} cannot be sent to another process: {error}")

    def _large(self, size: int) -> str:
        sizes = {name: _pickled_size(value) for name, value in self._values().items()}
        largest = sorted(sizes.items(), key=lambda each: -each[1])[:3]
        named = ", ".join(f"{name} ({_megabytes(each)})" for name, each in largest if each)
        return (
            f"{self.name} is {_megabytes(size)} when pickled, and each process loads it; it refers"
            f" to {named}. Load large data from a file, in the __init__ of a class"
        )


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Keeps the files of code, which cloudpickle leaves out, for tracebacks and debuggers."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, functools._lru_cache_wrapper) and not is_installed(obj.__module__):
            # It pickles as its name, in a module that entry processes may not be able to import.
            return _cached, (obj.__wrapped__, obj.cache_parameters())
        if not isinstance(obj, CodeType):
            return super().reducer_override(obj)
        make, arguments = self.dispatch_table[CodeType](obj)
        nowhere = "<dynamic-code>"
        return make, tuple(obj.co_filename if each == nowhere else each for each in arguments)


def _cached(function: Any, parameters: Mapping[str, Any]) -> Any:
    """A function with an empty cache."""
    return functools.lru_cache(**parameters)(function)


def _dumps(value: Any) -> bytes:
    file = io.BytesIO()
    _Pickler(file).dump(value)
    return file.getvalue()


def _refusal(value: Any) -> str | None:
    try:
        cloudpickle.dumps(value)
    except Exception as error:  # Each type refuses in its own way.
        return str(error) or type(error).__name__
    return None


def _pickled_size(value: Any) -> int:
    return len(cloudpickle.dumps(value))


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:,.1f} MB"


@contextmanager
def _by_value() -> Iterator[None]:
    """Pickle what entry processes cannot import by value."""
    with _registering:
        known = cloudpickle.list_registry_pickle_by_value()
        ours = [module for module in modules_by_value() if module.__name__ not in known]
        for module in ours:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for module in ours:
                cloudpickle.unregister_pickle_by_value(module)
