"""What `NodeTaskRunner` stands on: insides of Prefect that a release may change without notice."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from prefect import context, task_engine
from prefect.utilities import engine
from prefect_dask.task_runners import DaskTaskRunner, PrefectDaskFuture

from prefect_parallel.errors import PrefectParallelError


class UnknownPrefect(PrefectParallelError):
    """The installed Prefect differs from what the task runner was made for."""


CALLED: dict[Callable[..., Any], tuple[str, ...]] = {
    context.serialize_context: (),
    context.hydrated_context: ("serialized_context", "client"),
    context.AssetContext.from_task_and_inputs: (
        "task",
        "task_run_id",
        "task_inputs",
        "copy_to_child_ctx",
    ),
    context.SyncClientContext.get_or_create: (),
    engine.collect_task_run_inputs_sync: ("expr", "future_cls"),
    task_engine.run_task_sync: (
        "task", "task_run_id", "parameters", "wait_for", "dependencies", "return_type",
    ),
    task_engine.run_task_async: (
        "task", "task_run_id", "parameters", "wait_for", "dependencies", "return_type",
    ),
    PrefectDaskFuture: ("wrapped_future", "task_run_id"),
}  # fmt: skip
"""Functions, and the parameters that they are called with."""

OVERRIDDEN: dict[Callable[..., Any], tuple[str, ...]] = {
    DaskTaskRunner.submit: ("self", "task", "parameters", "wait_for", "dependencies"),
}
"""Methods, and the parameters that Prefect calls them with."""

CONTEXT = {
    "flow_run_context",
    "task_run_context",
    "tags_context",
    "settings_context",
    "asset_context",
    "deployment_id",
    "deployment_parameters",
}
"""What a serialised context is made of."""


def check_prefect() -> None:
    """Compare Prefect with what is expected of it.

    Raises:
        UnknownPrefect: Something differs.
    """
    for function, parameters in CALLED.items():
        found = set(inspect.signature(function).parameters)
        if missing := [name for name in parameters if name not in found]:
            raise _unknown(f"{function.__qualname__} does not take {', '.join(missing)}")
    for method, expected in OVERRIDDEN.items():
        given = tuple(inspect.signature(method).parameters)
        if given != expected:
            raise _unknown(
                f"{method.__qualname__} takes {', '.join(given)}, not {', '.join(expected)}"
            )
    if set(serialized := context.serialize_context()) != CONTEXT:
        differing = sorted(set(serialized) ^ CONTEXT)
        raise _unknown(f"a serialised context differs in {', '.join(differing)}")


def _unknown(what: str) -> UnknownPrefect:
    return UnknownPrefect(
        f"prefect {version('prefect')} with prefect-dask {version('prefect-dask')} is not what"
        f" prefect-parallel's task runner stands on: {what}; install a version of prefect that"
        " prefect-parallel names, or a newer prefect-parallel"
    )
