"""`prefect-parallel map`: a Python function over data."""

from __future__ import annotations

import shlex
import sys
import traceback
from pathlib import Path
from typing import Any

import yaml

from prefect_parallel.cli.console import lasting_console
from prefect_parallel.cli.exit_status import COMPLETED, FAILED
from prefect_parallel.cli.hangup import hangup_cancels
from prefect_parallel.cli.options import MapOptions
from prefect_parallel.entry.script import script_traceback
from prefect_parallel.errors import InvalidCall, advice_for
from prefect_parallel.functions.parallel import ParallelClass, ParallelFunction, parallel
from prefect_parallel.functions.result import ParallelFailed
from prefect_parallel.yaml_scalar import parse_scalar


class NoSuchFunction(InvalidCall):
    """The function that is to run cannot be imported."""


def map_function(name: str, data: str, options: MapOptions) -> int:
    """Run a function over data, show its progress and its result, and return the exit status.

    Raises:
        NoSuchFunction: It cannot be imported.
        PrefectParallelError: The function, data, output or a setting is not allowed.
    """
    function = _function(name, _settings(options))
    try:
        with hangup_cancels():
            result = function(
                data,
                output=options.output,
                overwrite=options.overwrite,
                name=options.name,
                resume=options.resume,
                first=options.first,
                sample=options.sample,
                only=options.only,
                output_dir=options.output_dir,
            )
    except ParallelFailed as error:
        result = error.result
    console = lasting_console()
    places = {"output": result.output, "run": result.run_directory, "report": result.report}
    for what, place in places.items():
        if place is not None:
            console.print(f"  {what:<6}  {place}")
    if result.status == "Completed":
        return COMPLETED
    name = shlex.quote(result.run_directory.name)
    console.print(f"  resume  the same command with --resume {name}")
    return FAILED


def _settings(options: MapOptions) -> dict[str, Any]:
    settings = dict(map(_setting, options.set_ or ()))
    if options.mini_batch_size is not None:
        settings["mini_batch_size"] = options.mini_batch_size
    if options.task_run_seconds is not None:
        settings["task_run_seconds"] = options.task_run_seconds
    if options.reuse:
        settings.update(reuse=options.reuse, reuse_by=options.reuse_by)
    return settings


def _setting(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        missing = "name" if separator else "value"
        raise InvalidCall(f"--set {text}: found no {missing}", hint="write --set NAME=VALUE")
    if not value.startswith(("[", "{", '"', "'")):
        return name, parse_scalar(value)
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InvalidCall(f"--set {text}: the value is invalid YAML") from error


def _function(name: str, settings: dict[str, Any]) -> ParallelFunction:
    found = _imported(name)
    if isinstance(found, ParallelFunction):
        made = found.with_options(**settings)
    else:
        made = parallel(found, **settings)
    return made() if isinstance(made, ParallelClass) else made


def _imported(name: str) -> Any:
    module, separator, attribute = name.rpartition(":")
    folder, module = _place(module)
    if not attribute or not separator or not all(module.split(".")):
        missing = "module" if separator and attribute else "name"
        raise NoSuchFunction(f"{name}: found no {missing}", allowed="MODULE:NAME or FILE.py:NAME")
    sys.path.insert(0, str(folder))
    try:
        # Unlike `importlib.import_module`, this adds no frame to tracebacks.
        __import__(module)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise NoSuchFunction(_import_error(module, error)) from error
        raise NoSuchFunction(f"there is no module {module} in {folder} or installed") from error
    except Exception as error:  # A module of the user may raise anything.
        raise NoSuchFunction(_import_error(module, error)) from error
    found = sys.modules[module]
    if not hasattr(found, attribute):
        own = (name for name, each in vars(found).items() if _is_of(each, module))
        known = [name for name in own if not name.startswith("_")]
        raise NoSuchFunction(f"{module} has no {attribute}", **advice_for(attribute, known))
    return getattr(found, attribute)


def _import_error(module: str, error: Exception) -> str:
    """The traceback of the module that is imported, without frames of this package."""
    is_syntax = isinstance(error, SyntaxError)
    text = "".join(traceback.format_exception_only(error)) if is_syntax else script_traceback(error)
    return f"{module} cannot be imported:\n{text.rstrip()}"


def _is_of(value: Any, module: str) -> bool:
    """Whether it is a function or class that a module defines."""
    return callable(value) and getattr(value, "__module__", None) == module


def _place(module: str) -> tuple[Path, str]:
    """The folder that a module is in, unless it is installed, and its name."""
    if module.endswith(".py"):
        return Path(module).parent.absolute(), Path(module).stem
    return Path.cwd(), module
