"""Names and tags for Prefect."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFUSED = re.compile(r"[/%&<>]")


def prefect_name(name: str) -> str:
    """Replace characters that Prefect rejects in names of flows and deployments."""
    return _REFUSED.sub("-", name)


def task_run_tags(step: str, compute: str | None) -> list[str]:
    """The tags of the task runs of mini-batches, for Prefect's concurrency limits.

    Args:
        step: Name of the step.
        compute: Name of its Compute block, if it has one.
    """
    return [f"step:{step}", *([f"compute:{compute}"] if compute else [])]


def prefect_tags(tags: Mapping[str, object]) -> list[str]:
    """Azure's tags, which have values, as Prefect's, which have none."""
    return [f"{key}:{value}" for key, value in tags.items()]
