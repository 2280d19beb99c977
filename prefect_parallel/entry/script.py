"""The entry script, and the module `azureml_user` that scripts written for Azure import."""

from __future__ import annotations

import importlib.util
import inspect
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import GeneratorType, ModuleType
from typing import Any

from prefect_parallel.data import MiniBatchContext
from prefect_parallel.entry.azure_variables import OUTPUT_PATH
from prefect_parallel.entry.config import ProcessName
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.layout import StepDirectory


class InvalidEntryScript(PrefectParallelError):
    """The entry script is not a Python file, or lacks a required function."""


class MixedGenerator(PrefectParallelError):
    """A generator `run` yielded DataFrames and other values."""


@dataclass(frozen=True)
class Script:
    """The functions of an entry script."""

    init: Callable[[], object]
    run: Callable[[Any, MiniBatchContext], object]
    shutdown: Callable[[], object]


def load_script(code: Path, entry_script: str) -> Script:
    """Import an entry script, which can import modules of the code folder and of its own folder.

    Raises:
        InvalidEntryScript: The script is not a Python file, or has no function `run`.
    """
    path = code / entry_script
    if str(path.parent) not in sys.path:
        sys.path.insert(1, str(path.parent))
    specification = importlib.util.spec_from_file_location(path.stem, path)
    if specification is None or specification.loader is None:
        raise InvalidEntryScript(f"{entry_script} is not a Python file; name a .py file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    run = _find(module, "run")
    if run is None:
        raise InvalidEntryScript(
            f"{entry_script} defines no function run(); an entry script needs run(mini_batch)"
        )
    return Script(
        init=_find(module, "init") or (lambda: None),
        run=_with_context(run),
        shutdown=_find(module, "shutdown") or (lambda: None),
    )


def _with_context(run: Callable[..., object]) -> Callable[[Any, MiniBatchContext], object]:
    takes_it = takes_context(run)

    def call(mini_batch: Any, context: MiniBatchContext) -> object:
        returned = run(mini_batch, context) if takes_it else run(mini_batch)
        return _collected(returned) if isinstance(returned, GeneratorType) else returned

    return call


def _collected(generator: Iterable[object]) -> object:
    """What a generator yields: DataFrames as one DataFrame, anything else as a list.

    Raises:
        MixedGenerator: It yields DataFrames and other values.
    """
    values = list(generator)
    frames: list[Any] = [value for value in values if type(value).__name__ == "DataFrame"]
    if not frames:
        return values
    if len(frames) < len(values):
        raise MixedGenerator(
            f"run() yielded {len(frames)} DataFrames and {len(values) - len(frames)} other values;"
            " yield only DataFrames, or one value for each item"
        )
    import pandas as pd

    return pd.concat(frames, ignore_index=True)


def script_traceback(error: BaseException) -> str:
    """The traceback from the script's first frame on; the full one if it has none."""
    ours = (str(Path(__file__).parents[1]), "<frozen")
    inner = error.__traceback__
    while inner is not None and inner.tb_frame.f_code.co_filename.startswith(ours):
        inner = inner.tb_next
    return "".join(traceback.format_exception(type(error), error, inner or error.__traceback__))


def _find(module: ModuleType, name: str) -> Callable[..., object] | None:
    """A function by its name, also capitalised as in Azure's documentation."""
    for spelling in (name, name.capitalize()):
        found = getattr(module, spelling, None)
        if callable(found):
            return found  # type: ignore[no-any-return]
    return None


def takes_context(run: Callable[..., object]) -> bool:
    """Whether a function takes a second positional argument."""
    parameters = inspect.signature(run).parameters.values()
    return second_parameter(run) is not None or any(
        parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters
    )


def second_parameter(run: Callable[..., object]) -> inspect.Parameter | None:
    """The second positional parameter of a function."""
    positional = [
        parameter
        for parameter in inspect.signature(run).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    return positional[1] if len(positional) > 1 else None


class EntryScript:
    """`azureml_user.parallel_run.EntryScript`, a singleton that scripts written for Azure import.

    Attributes:
        logger: Logger that writes to the process's entry script log.
        log_dir: Folder of the node's entry script logs, which other nodes do not write to.
        output_dir: Folder in the run directory for files of the script: `AZUREML_BI_OUTPUT_PATH`.
        agent_name: Name of the entry process, e.g. `process003`.
        node_id: Name of the node, e.g. `node-0`.
        dir: Folder of the entry script.

    Example:
        ```python
        from azureml_user.parallel_run import EntryScript

        EntryScript().logger.info("model loaded")
        ```
    """

    _instance: EntryScript | None = None

    logger: logging.Logger
    log_dir: str
    output_dir: str
    agent_name: str
    node_id: str
    dir: str

    def __new__(cls, logging_level: int | str | None = None) -> EntryScript:
        """Return the instance of this process.

        Args:
            logging_level: Level of `logger`; by default that of the step.
        """
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        if logging_level is not None:
            cls._instance.logger.setLevel(logging_level)
        return cls._instance

    def config_log(self) -> None:
        """Do nothing: `logger` is always configured. Scripts written for Azure call it."""

    @property
    def working_dir(self) -> str:
        """Snapshot of the code folder."""
        return str(Path.cwd())


def install_azureml_user(
    name: ProcessName, directory: StepDirectory, code: Path, entry_script: str
) -> None:
    """Make `from azureml_user.parallel_run import EntryScript` work in this process."""
    instance = EntryScript()
    instance.logger = logging.getLogger("entry_script")
    instance.log_dir = str(name.logs(directory).entry_script_log.parent)
    instance.output_dir = os.environ.get(OUTPUT_PATH, str(directory.outputs))
    instance.agent_name = name.process
    instance.node_id = name.node
    instance.dir = str((code / entry_script).parent)
    parallel_run = ModuleType("azureml_user.parallel_run")
    parallel_run.EntryScript = EntryScript  # type: ignore[attr-defined]
    package = ModuleType("azureml_user")
    package.__path__ = []
    package.parallel_run = parallel_run  # type: ignore[attr-defined]
    sys.modules["azureml_user"] = package
    sys.modules["azureml_user.parallel_run"] = parallel_run
