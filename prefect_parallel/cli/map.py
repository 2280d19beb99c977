"""`prefect-parallel map`: a Python function over data."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from prefect_parallel.cli.console import plain_console
from prefect_parallel.cli.options import MapOptions
from prefect_parallel.errors import InvalidCall, advice_for
from prefect_parallel.functions.parallel import ParallelClass, ParallelFunction, parallel


class NoSuchFunction(InvalidCall):
    """The function that is to run cannot be imported."""


def map_function(name: str, data: str, options: MapOptions) -> None:
    """Run a function over data, show its progress and its result.

    Raises:
        NoSuchFunction: It cannot be imported.
        ParallelFailed: More has failed than the thresholds allow, or the run was canceled.
        PrefectParallelError: The function, data, output or a setting is not allowed.
    """
    result = _function(name, _settings(options))(
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
    console = plain_console()
    console.print(f"{result.status}  {result.name}: {result.reason}")
    console.print(f"  output  {result.output}")
    console.print(f"  run     {result.run_directory}")


def _settings(options: MapOptions) -> dict[str, Any]:
    settings = dict(map(_setting, options.set_ or ()))
    if options.mini_batch_size is not None:
        settings["mini_batch_size"] = options.mini_batch_size
    if options.task_run_seconds is not None:
        settings["task_run_seconds"] = options.task_run_seconds
    return settings


def _setting(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator:
        raise InvalidCall(f"--set {text}: found no value", hint="write --set NAME=VALUE")
    return name, yaml.safe_load(value)


def _function(name: str, settings: dict[str, Any]) -> ParallelFunction:
    found = _imported(name)
    if isinstance(found, ParallelFunction):
        made = found.with_options(**settings)
    else:
        made = parallel(found, **settings)
    return made() if isinstance(made, ParallelClass) else made


def _imported(name: str) -> Any:
    module, separator, attribute = name.rpartition(":")
    if not separator:
        raise NoSuchFunction(f"found {name!r}", allowed="MODULE:NAME or FILE.py:NAME")
    folder, module = _place(module)
    sys.path.insert(0, str(folder))
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise NoSuchFunction(f"there is no module {module} in {folder} or installed") from error
    if not hasattr(found, attribute):
        known: Sequence[str] = [each for each in vars(found) if callable(getattr(found, each))]
        raise NoSuchFunction(f"{module} has no {attribute}", **advice_for(attribute, known))
    return getattr(found, attribute)


def _place(module: str) -> tuple[Path, str]:
    """The folder that a module is in, unless it is installed, and its name."""
    if module.endswith(".py"):
        return Path(module).parent.absolute(), Path(module).stem
    return Path.cwd(), module
