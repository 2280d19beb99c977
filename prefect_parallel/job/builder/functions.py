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
    mapping, or anything with `max_retries` and `timeout`; `is_deterministic` has no meaning here.
    """
    step = Step(
        inputs,
        outputs,
        type="parallel",
        name=name,
        description=description,
        tags=tags,
        properties=properties,
        display_name=display_name,
        experiment_name=experiment_name,
        compute=compute,
        retry_settings=_retry_settings(retry_settings),
        environment_variables=environment_variables,
        logging_level=logging_level,
        max_concurrency_per_instance=max_concurrency_per_instance,
        error_threshold=error_threshold,
        mini_batch_error_threshold=mini_batch_error_threshold,
        task=task,
        mini_batch_size=mini_batch_size,
        partition_keys=partition_keys,
        input_data=input_data,
        identity=identity,
    )
    step.set_resources(
        instance_count=instance_count,
        instance_type=instance_type,
        docker_args=docker_args,
        shm_size=shm_size,
    )
    return step


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
    `parent_job_name` have no meaning here.
    """
    step = Step(
        inputs,
        outputs,
        type="command",
        name=name,
        description=description,
        tags=tags,
        properties=properties,
        display_name=display_name,
        command=command,
        experiment_name=experiment_name,
        environment=environment,
        environment_variables=environment_variables,
        distribution=distribution,
        compute=compute,
        code=code,
        identity=identity,
        services=services,
        queue_settings=without_none({"job_tier": job_tier, "priority": priority}),
    )
    step.set_resources(
        instance_count=instance_count,
        instance_type=instance_type,
        locations=locations,
        docker_args=docker_args,
        shm_size=shm_size,
    )
    if timeout is not None:
        step.set_limits(timeout=timeout)
    return step


def _retry_settings(value: Any) -> Any:
    if value is None or isinstance(value, Mapping):
        return value
    return {"max_retries": value.max_retries, "timeout": value.timeout}
