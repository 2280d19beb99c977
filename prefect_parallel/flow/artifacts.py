"""What a step shows on its page in the Prefect UI: progress, settings, result."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.exceptions import PrefectHTTPStatusError

from prefect_parallel.flow.progress import Failures, Progress
from prefect_parallel.job import ParallelStep

UPDATE_SECONDS = 2.0
"""The progress artifact is updated at most so often."""

CAUSES = 20
"""How many causes of failures a table names."""


class StepArtifacts:
    """The artifacts of one step's flow run. A server that does not answer goes without."""

    def __init__(self, step: ParallelStep) -> None:
        self._step = step
        self._key = re.sub(r"[^a-z0-9]+", "-", step.name.lower()).strip("-")
        self._progress: UUID | None = None
        self._updated = 0.0

    def show_settings(self) -> None:
        """The effective settings, each with its value and where it comes from."""
        settings, origins = self._step.settings, self._step.origins
        rows = [
            {"setting": name, "value": str(value), "from": origins[name]}
            for name, value in sorted(settings.items())
        ]
        tell(
            lambda: create_table_artifact(
                table=rows, key=f"{self._key}-settings", description="Settings in force"
            )
        )

    def show_progress(self, progress: Progress, *, last: bool = False) -> None:
        """How far the step is."""
        now = time.monotonic()
        if now - self._updated < UPDATE_SECONDS and not last:
            return
        self._updated = now
        percent = 100 * progress.done / max(progress.mini_batches, 1)
        text = f"{progress}, {progress.items_per_second:,.0f} {progress.unit}/s"
        if self._progress is None:
            self._progress = tell(
                lambda: create_progress_artifact(
                    progress=percent, key=f"{self._key}-progress", description=text
                )
            )
        else:
            update_id = self._progress
            tell(lambda: update_progress_artifact(update_id, percent, description=text))

    def show_result(self, job_result: Path, failures: Sequence[Failures]) -> None:
        """The text of `job_result.txt`, and why mini-batches failed."""
        parts = [f"```yaml\n{job_result.read_text(encoding='utf-8')}```"]
        if failures:
            rows = [
                f"| {each.count} | {_cell(each.cause)} | {_cell(each.repeat)} |"
                for each in failures
            ]
            head = ["| failed mini-batches | cause | repeat one |", "| --- | --- | --- |"]
            parts.append("\n".join(head + rows[:CAUSES]))
        markdown = "\n\n".join(parts)
        tell(lambda: create_markdown_artifact(markdown, key=f"{self._key}-result"))


def tell(create: Callable[[], Any]) -> UUID | None:
    """Send an artifact; what a run does must not depend on the server taking it."""
    try:
        return cast(UUID, create())
    except (httpx.HTTPError, PrefectHTTPStatusError):
        return None


def _cell(text: str) -> str:
    """Text from a script or a file name, inside a Markdown table."""
    return f"`{re.sub(r'[|`]', ' ', text)}`"
