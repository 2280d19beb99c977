"""The settings of a parallel step as arguments in Python; each is declared in `job/settings`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from prefect_parallel.document import document_of
from prefect_parallel.errors import InvalidFile, Problem, advice_for
from prefect_parallel.job.settings.parallel_settings import SETTINGS, Setting
from prefect_parallel.yaml_schema import Diagnostics, Scalar

if TYPE_CHECKING:
    from prefect_parallel.flow.nodes.cluster import GivenCompute


class InvalidSettings(InvalidFile):
    """Settings of a parallel function are not allowed. `problems` has all that were found."""


class Settings(TypedDict, total=False):
    """The settings of a parallel step, by their names; see the reference of `parallel`."""

    mini_batch_size: int | str
    partition_keys: Sequence[str]
    instance_count: int
    max_concurrency_per_instance: int
    max_retries: int
    timeout: int
    mini_batch_error_threshold: int
    error_threshold: int
    logging_level: Literal["DEBUG", "INFO", "WARNING"]
    allowed_failed_percent: float
    task_overhead_timeout: float
    progress_update_timeout: float
    first_task_creation_timeout: float
    copy_logs_to_parent: bool
    resource_monitor_interval: int
    append_row_dataframe_header: bool
    append_row_dataframe_delimiter: str
    metrics_name_prefix: str
    push_metrics_to_parent: bool
    profiling_module: Literal["cProfile"]
    check_item_count: bool
    prefetch: bool
    retry_delay_seconds: float | Sequence[float]
    retry_backoff_factor: float
    retry_jitter_factor: float
    max_mini_batches_per_process: int
    max_process_memory: str
    isolate_failed_items: bool
    environment_variables: Mapping[str, str]
    compute: GivenCompute
    task_run_seconds: float
    reuse: bool | str
    reuse_by: Literal["time", "content"]


DEFAULTS: Settings = {"append_row_dataframe_header": True}
"""Those that differ from a script's: in Python, people expect a CSV file to have a header."""

STEP_KEYS = ("environment_variables", "compute")
"""Those that are keys of a step without being declared as settings."""

RUN_OPTIONS = {
    "task_run_seconds": Scalar(
        "a number of seconds, 0 or more", (int, float), lambda value: value >= 0
    ),
    "reuse": Scalar("True, False or the name of a run", (bool, str)),
    "reuse_by": Scalar("time or content", (str,), lambda value: value in ("time", "content")),
}
"""Those that are options of the run."""

COMPUTE = "given-in-python"
"""What a step calls a compute that is not given by its name."""

ITEMS = Scalar("a number of rows, files or items, at least 1", (int,), lambda value: value >= 1)


def check_settings(settings: Settings) -> None:
    """Check settings as those of a YAML file are checked.

    Raises:
        InvalidSettings: A setting is not known, or a value is not allowed.
        InvalidCompute: The compute is neither a name nor a `Compute` nor a Dask client.
        NoCluster: The Dask client is closed, or its workers are threads.
    """
    found = Diagnostics(document_of({}, Path()))
    for name, value in settings.items():
        declared = SETTINGS.get(name)
        if name == "mini_batch_size" and type(value) is int:
            ITEMS.read(value, (name,), found)
        elif declared is not None:
            schema = declared.key or declared.argument
            assert schema is not None
            written = document_of({name: _written(declared, value)}, Path()).data[name]
            schema.read(written, (name,), found)
        elif name in RUN_OPTIONS:
            RUN_OPTIONS[name].read(value, (name,), found)
        elif name not in STEP_KEYS:
            advice = advice_for(name, Settings.__annotations__)
            found.problems.append(Problem("unknown setting", key=name, **advice))
    if found.problems:
        raise InvalidSettings(found.problems)
    run_options(settings)


def step_keys(settings: Settings) -> dict[str, Any]:
    """The settings as keys of a parallel step in YAML; those without a key are left out."""
    keys: dict[str, Any] = {}
    for name, value in settings.items():
        declared = SETTINGS.get(name)
        if name == "compute":
            keys[name] = value if isinstance(value, str) else COMPUTE
        elif name in STEP_KEYS:
            keys[name] = value
        elif declared is not None and declared.key is not None:
            group = keys if declared.group is None else keys.setdefault(declared.group, {})
            group[name] = _written(declared, value)
    return keys


def run_options(settings: Settings) -> dict[str, Any]:
    """The settings that are options of a run, as arguments of `RunOptions`."""
    options = {name: value for name, value in settings.items() if name in RUN_OPTIONS}
    compute = settings.get("compute")
    if compute is not None and not isinstance(compute, str):
        # Imported here: most functions run on this machine, and Dask takes long to import.
        from prefect_parallel.flow.nodes.cluster import compute_of

        options["computes"] = {COMPUTE: compute_of(compute)}
    return options


def program_arguments(settings: Settings) -> str:
    """The settings that have no key, as program arguments."""
    without_key = {name: each for name, each in SETTINGS.items() if each.key is None}
    given = [
        (name, _written(without_key[name], value))
        for name, value in settings.items()
        if name in without_key
    ]
    return shlex.join(word for name, value in given for word in (f"--{name}", str(value)))


def _written(declared: Setting, value: Any) -> Any:
    """A value as YAML has it, where a size is text and a sequence is a list."""
    if declared.name == "mini_batch_size" and type(value) is int:
        return str(value)
    return list(value) if isinstance(value, tuple) else value
