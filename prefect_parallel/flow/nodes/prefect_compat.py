"""What `NodeTaskRunner` uses of Prefect beyond its documented interface, and checks of it.

docs/contributing.md has a table of these names.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from prefect import context, task_engine
from prefect_dask.task_runners import PrefectDaskFuture

from prefect_parallel.errors import PrefectParallelError


class UnknownPrefect(PrefectParallelError):
    """The installed Prefect lacks something that the task runner uses."""


CALLED: dict[Callable[..., Any], tuple[str, ...]] = {
    context.hydrated_context: ("serialized_context", "client"),
    context.SyncClientContext.get_or_create: (),
    task_engine.run_task_sync: ("task", "task_run_id", "parameters", "return_type"),
    PrefectDaskFuture: ("wrapped_future", "task_run_id"),
}
"""Functions, and the parameters that they are called with."""

SERIALIZED = ("flow_run_context", "settings_context")
"""Parts of a serialized context that are used."""


def check_prefect() -> None:
    """Check that what is used is there. Additions of a newer Prefect are no reason to refuse it.

    Raises:
        UnknownPrefect: A parameter is missing.
    """
    for function, parameters in CALLED.items():
        found = inspect.signature(function).parameters
        if missing := [name for name in parameters if name not in found]:
            raise _unknown(f"{function.__qualname__} does not take {', '.join(missing)}")


def serialized_context() -> dict[str, Any]:
    """The current context, serialized. It has all settings: 0.1 s.

    Raises:
        UnknownPrefect: A part that is used is missing.
    """
    found: dict[str, Any] = context.serialize_context()
    if missing := [name for name in SERIALIZED if name not in found]:
        raise _unknown(f"a serialized context has no {', '.join(missing)}")
    return found


def _unknown(what: str) -> UnknownPrefect:
    return UnknownPrefect(
        f"prefect {version('prefect')} with prefect-dask {version('prefect-dask')} lacks something"
        f" that prefect-parallel uses: {what}",
        hint="install a version of prefect that prefect-parallel's requirements allow, or a newer"
        " prefect-parallel",
    )
