"""A pipeline's paths, made to lead to the same places from any folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prefect_parallel.job.locations import is_local, location_of

_PATH_KEYS = ("component", "code", "conda_file", "path")


def make_paths_absolute(data: dict[str, Any], folder: Path) -> None:
    """Make the relative local paths of a dumped pipeline absolute, in place.

    Args:
        data: What `PipelineJob.model_dump` returns.
        folder: What its paths count from.
    """
    for holder in _holders(data):
        for key in _PATH_KEYS:
            value = holder.get(key)
            if isinstance(value, str) and "${{" not in value and not value.startswith("git+"):
                location = location_of(value.removeprefix("file:"), folder)
                if is_local(location):
                    holder[key] = location


def _holders(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The mappings whose keys of those names hold paths."""
    for ports in (data.get("inputs", {}), data.get("outputs", {})):
        yield from (port for port in ports.values() if isinstance(port, dict))
    for step in data.get("jobs", {}).values():
        yield step
        yield from _holders({key: step.get(key, {}) for key in ("inputs", "outputs")})
        task = step.get("task", {})
        yield task
        for environment in (step.get("environment"), task.get("environment")):
            if isinstance(environment, dict):
                yield environment
                yield environment.get("build", {})
