"""The entry script, and the module `azureml_user` that scripts written for Azure import."""

from __future__ import annotations

import importlib.util
import inspect
import logging
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from prefect_parallel.data import MiniBatchContext
from prefect_parallel.errors import PrefectParallelError


class InvalidEntryScript(PrefectParallelError):
    """The entry script is not a Python file, or lacks a required function."""


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
        run=run if takes_context(run) else lambda mini_batch, _: run(mini_batch),
        shutdown=_find(module, "shutdown") or (lambda: None),
    )


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
    parameters = list(inspect.signature(run).parameters.values())
    positional = [
        parameter
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    return len(positional) >= 2 or any(
        parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters
    )


class EntryScript:
    """`azureml_user.parallel_run.EntryScript`, a singleton that scripts written for Azure import.

    Attributes:
        logger: Logger that writes to the process's entry script log.
        log_dir: Folder of the node's entry script logs.
        output_dir: Folder in the run directory for files of the script.
        agent_name: Name of the entry process, e.g. `process003`.
        node_id: Name of the node, e.g. `node-0`.

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

    def __new__(cls) -> EntryScript:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    @property
    def working_dir(self) -> str:
        """Snapshot of the code folder."""
        return str(Path.cwd())


def install_azureml_user(
    *, logger: logging.Logger, log_dir: Path, output_dir: Path, agent_name: str, node_id: str
) -> None:
    """Make `from azureml_user.parallel_run import EntryScript` work in this process."""
    entry_script = EntryScript()
    entry_script.logger = logger
    entry_script.log_dir = str(log_dir)
    entry_script.output_dir = str(output_dir)
    entry_script.agent_name = agent_name
    entry_script.node_id = node_id
    parallel_run = ModuleType("azureml_user.parallel_run")
    parallel_run.EntryScript = EntryScript  # type: ignore[attr-defined]
    package = ModuleType("azureml_user")
    package.__path__ = []
    package.parallel_run = parallel_run  # type: ignore[attr-defined]
    sys.modules["azureml_user"] = package
    sys.modules["azureml_user.parallel_run"] = parallel_run
