"""Where each setting of a parallel step comes from, for people who wonder."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from prefect_parallel.job.settings.program_arguments import PredefinedArguments

if TYPE_CHECKING:
    from prefect_parallel.job.models.pipeline import PipelineJob

PATHS: dict[str, tuple[str, ...]] = {
    "mini_batch_size": ("mini_batch_size",),
    "partition_keys": ("partition_keys",),
    "instance_count": ("resources", "instance_count"),
    "max_concurrency_per_instance": ("max_concurrency_per_instance",),
    "mini_batch_error_threshold": ("mini_batch_error_threshold",),
    "max_retries": ("retry_settings", "max_retries"),
    "timeout": ("retry_settings", "timeout"),
    "logging_level": ("logging_level",),
    "code": ("task", "code"),
    "entry_script": ("task", "entry_script"),
    "append_row_to": ("task", "append_row_to"),
}
"""Setting -> where it stands below its step; the program arguments come on top."""


def origins(job: PipelineJob, step: str, given: Collection[str]) -> dict[str, str]:
    """Setting -> `YAML`, `component`, `program argument`, `override` or `default`.

    Args:
        job: The pipeline.
        step: A parallel step of it.
        given: The predefined arguments among its program arguments.
    """
    found = {name: _origin(job, step, path) for name, path in PATHS.items()}
    for field in fields(PredefinedArguments):
        found[field.name] = "program argument" if field.name in given else "default"
    if "error_threshold" not in given:
        found["error_threshold"] = _origin(job, step, ("error_threshold",))
    return found


def _origin(job: PipelineJob, step: str, path: tuple[str, ...]) -> str:
    full = ("jobs", step, *path)
    overridden = any(
        full[: len(other)] == other or other[: len(full)] == full for other in job.document.origins
    )
    if overridden:
        return "override"
    if _has(job.document.data["jobs"][step], path):
        return "YAML"
    component = job.components.get(step)
    return "component" if component and _has(component.document.data, path) else "default"


def _has(data: Any, path: tuple[str, ...]) -> bool:
    for key in path:
        if not isinstance(data, dict) or key not in data:
            return False
        data = data[key]
    return True
