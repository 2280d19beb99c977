"""Steps by keyword, as azure-ai-ml makes them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from prefect_parallel.job.builder.entities import Environment, RunFunction
from prefect_parallel.job.builder.serialize import without_none
from prefect_parallel.job.builder.step import Step


def parallel_run_function(
    *,
    name: str | None = None,
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    properties: Mapping[str, str] | None = None,
    display_name: str | None = None,
    experiment_name: str | None = None,
    compute: str | None = None,
    retry_settings: Any = None,
    environment_variables: Mapping[str, str] | None = None,
    logging_level: str | None = None,
    max_concurrency_per_instance: int | None = None,
    error_threshold: int | None = None,
    mini_batch_error_threshold: int | None = None,
    task: RunFunction | None = None,
    mini_batch_size: str | None = None,
    partition_keys: Sequence[str] | None = None,
    input_data: str | None = None,
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    instance_count: int | None = None,
    instance_type: str | None = None,
    docker_args: str | Sequence[str] | None = None,
    shm_size: str | None = None,
    identity: Mapping[str, str] | None = None,
    is_deterministic: bool = True,
) -> Step:
    """A parallel step. The arguments are the keys of the step in YAML.

    It is named by `name`, else after the variable that it is assigned to. `retry_settings` is a
    mapping, or anything with `max_retries` and `timeout`; `is_deterministic` has no effect here.
    """
    if retry_settings is not None and not isinstance(retry_settings, Mapping):
        retry_settings = {
            "max_retries": retry_settings.max_retries,
            "timeout": retry_settings.timeout,
        }
    return _step("parallel", locals())


def command(
    *,
    name: str | None = None,
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    properties: Mapping[str, str] | None = None,
    display_name: str | None = None,
    command: str | None = None,
    experiment_name: str | None = None,
    environment: Environment | str | Mapping[str, Any] | None = None,
    environment_variables: Mapping[str, Any] | None = None,
    distribution: Any = None,
    compute: str | None = None,
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    instance_count: int | None = None,
    instance_type: str | None = None,
    locations: Sequence[str] | None = None,
    docker_args: str | Sequence[str] | None = None,
    shm_size: str | None = None,
    timeout: int | None = None,
    code: str | os.PathLike[str] | None = None,
    identity: Mapping[str, str] | None = None,
    is_deterministic: bool = True,
    services: Mapping[str, Any] | None = None,
    job_tier: str | None = None,
    priority: str | None = None,
    parent_job_name: str | None = None,
) -> Step:
    """A command step. The arguments are the keys of the step in YAML.

    It is named by `name`; a step that is made by calling it, after the variable that it is
    assigned to, else by `name`. After `timeout` seconds it is ended; `is_deterministic` and
    `parent_job_name` have no effect here.
    """
    return _step("command", locals())


_RESOURCES = ("instance_count", "instance_type", "locations", "docker_args", "shm_size")
_QUEUE_SETTINGS = ("job_tier", "priority")
_UNUSED = ("is_deterministic", "parent_job_name")


def _step(of_type: str, arguments: Mapping[str, Any]) -> Step:
    """A step of the arguments of a function, each at its place in YAML."""
    rest = dict(arguments)

    def taken(names: Sequence[str]) -> dict[str, Any]:
        return without_none({name: rest.pop(name, None) for name in names})

    taken(_UNUSED)
    inputs, outputs = rest.pop("inputs"), rest.pop("outputs")
    resources, limits = taken(_RESOURCES), taken(["timeout"])
    if queue_settings := taken(_QUEUE_SETTINGS):
        rest["queue_settings"] = queue_settings
    return Step(inputs, outputs, type=of_type, resources=resources, limits=limits, **rest)
