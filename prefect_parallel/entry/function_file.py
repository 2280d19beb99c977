"""A pickled function, which an entry process runs in place of an entry script.

The first line is a header, as JSON; what follows is the pickle. A file of this kind is told by its
suffix, `FUNCTION_SUFFIX`.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import pickle
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from prefect_parallel.data import MiniBatchContext
from prefect_parallel.entry.script import (
    InvalidEntryScript,
    Script,
    load_script,
    second_parameter,
    takes_context,
)
from prefect_parallel.layout import FUNCTION_SUFFIX

if TYPE_CHECKING:
    import pandas as pd

Wanted: TypeAlias = Literal["DataFrame", "Table", "list"]
"""The type of a function's first argument: a DataFrame, an Arrow table, or a list."""


def _python() -> str:
    return platform.python_version().rpartition(".")[0]


@dataclass(frozen=True)
class FunctionHeader:
    """What is known of a function without loading it.

    Attributes:
        name: Its name.
        fingerprint: Digest of its code and of the values that it refers to.
        wanted: The annotated type of its first argument; None: it takes what the data gives.
        method: The method that gets mini-batches, if it is a class; None: it is a function.
        python: The version of Python that has pickled it.
        folder: The working directory, which it has in entry processes, too, if they see it.
    """

    name: str
    fingerprint: str
    wanted: Wanted | None = None
    method: str | None = None
    python: str = field(default_factory=_python)
    folder: str = field(default_factory=os.getcwd)

    def write(self, file: Path, pickled: bytes) -> None:
        """Write the header and the pickle."""
        file.write_bytes(json.dumps(dataclasses.asdict(self)).encode() + b"\n" + pickled)

    @classmethod
    def of(cls, file: Path) -> FunctionHeader:
        with file.open("rb") as opened:
            return cls(**json.loads(opened.readline()))


@dataclass(frozen=True)
class EntryNames:
    """What messages call an entry script or a pickled function.

    Attributes:
        entry: All of it, e.g. `the class Scorer`.
        init: What is done before the first mini-batch.
        run: What is called with each mini-batch.
        shutdown: What is done after the last.
        timeout: The setting that limits a call of `run`.
    """

    entry: str = "the entry script"
    init: str = "init()"
    run: str = "run()"
    shutdown: str = "shutdown()"
    timeout: str = "retry_settings.timeout"

    @classmethod
    def of(cls, code: Path, entry_script: str) -> EntryNames:
        file = code / entry_script
        if file.suffix != FUNCTION_SUFFIX:
            return cls()
        header = FunctionHeader.of(file)
        name, method = header.name, header.method
        if method is None:
            return cls(f"the function {name}", f"loading {name}", f"{name}()", "", "timeout")
        run, end = f"{name}.{method}()", f"the shutdown of {name}"
        return cls(f"the class {name}", f"{name}()", run, end, "timeout")


def load_entry(code: Path, entry_script: str) -> Script:
    """Load a pickled function or an entry script.

    Raises:
        InvalidEntryScript: It is neither, or cannot be used here.
    """
    file = code / entry_script
    if file.suffix == FUNCTION_SUFFIX:
        return load_function(file)
    return load_script(code, entry_script)


def load_function(file: Path) -> Script:
    """Unpickle a function, as the functions of an entry script.

    Raises:
        InvalidEntryScript: Another version of Python has pickled it.
    """
    header = FunctionHeader.of(file)
    if header.python != _python():
        raise InvalidEntryScript(
            f"{header.name} was pickled with Python {header.python}; this is Python {_python()}",
            hint="run the nodes on the Python version of the process that starts the run",
        )
    with file.open("rb") as opened:
        opened.readline()
        if Path(header.folder).is_dir():
            os.chdir(header.folder)
        loaded = pickle.load(opened)  # noqa: S301 - code of the user's, as an entry script is
    convert = _CONVERSIONS.get(header.wanted, _as_is)
    if header.method is None:
        return Script(init=_nothing, run=_run(loaded, convert), shutdown=_nothing)
    return _instance_script(loaded, convert)


def _instance_script(make: Callable[[], Any], convert: Callable[[Any], Any]) -> Script:
    """The functions of a class: made by `init`, called by `run`."""
    calls: dict[str, Callable[..., Any]] = {}

    def init() -> None:
        instance = make()
        _method(instance, "init")()
        enter = getattr(instance, "__enter__", None)
        calls["run"] = _run(instance if callable(instance) else instance.run, convert)
        calls["shutdown"] = _method(instance, "shutdown", "close")
        if enter is not None:
            enter()
            calls["shutdown"] = lambda: instance.__exit__(None, None, None)

    return Script(
        init=init,
        run=lambda data, context: calls["run"](data, context),
        shutdown=lambda: calls["shutdown"](),
    )


def _method(instance: Any, *names: str) -> Callable[..., Any]:
    found = (getattr(instance, name, None) for name in names)
    return next(filter(None, found), _nothing)


def _run(
    function: Callable[..., Any], convert: Callable[[Any], Any]
) -> Callable[[Any, MiniBatchContext], object]:
    with_context = takes_context(function) and not _is_option(second_parameter(function))

    def run(data: Any, context: MiniBatchContext) -> object:
        given = convert(data)
        return _returned(function(given, context) if with_context else function(given))

    return run


def _is_option(second: inspect.Parameter | None) -> bool:
    """Whether a function's second parameter has a default, and is not said to be a context."""
    if second is None or second.default is second.empty:
        return False
    words = f"{second.name} {getattr(second.annotation, '__name__', second.annotation)}"
    return "context" not in words.lower()


def _returned(value: object) -> object:
    """What a function returned, with an Arrow table as a DataFrame."""
    if type(value).__module__.startswith("pyarrow") and hasattr(value, "to_pandas"):
        # By default, pandas has integers beside a null as doubles.
        return value.to_pandas(integer_object_nulls=True)
    return value


def _nothing() -> None:
    """What is called if there is no function."""


def _as_is(data: Any) -> Any:
    return data


def _to_table(data: pd.DataFrame) -> Any:
    import pyarrow as pa

    return pa.Table.from_pandas(data, preserve_index=False)


def _to_list(data: pd.DataFrame | list[Any]) -> list[Any]:
    """Items: a row of a table as a dict."""
    return data if isinstance(data, list) else data.to_dict("records")


_CONVERSIONS: dict[Wanted | None, Callable[[Any], Any]] = {"Table": _to_table, "list": _to_list}
