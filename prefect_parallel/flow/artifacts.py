"""What a step shows on its page in the Prefect UI: progress, settings, result."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, cast
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from prefect_parallel.flow.flow_run import NO_ANSWER, asking_once
from prefect_parallel.flow.progress import Progress
from prefect_parallel.job import ParallelStep

UPDATE_SECONDS = 2.0
"""The progress artifact is updated at most so often."""


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
        with asking_once():
            self._show_progress(percent, text)

    def _show_progress(self, percent: float, text: str) -> None:
        if self._progress is None:
            self._progress = tell(
                lambda: create_progress_artifact(
                    progress=percent, key=f"{self._key}-progress", description=text
                )
            )
        else:
            update_id = self._progress
            tell(lambda: update_progress_artifact(update_id, percent, description=text))

    def show_result(self, page: str) -> None:
        """What came of the step, as Markdown."""
        tell(
            lambda: create_markdown_artifact(
                page, key=f"{self._key}-result", description="What came of it, and what failed"
            )
        )


_is_away = threading.Event()
"""Set while the server does not answer: it is asked once then, for each time takes a minute."""


def tell(create: Callable[[], Any]) -> UUID | None:
    """Send an artifact; what a run does must not depend on the server taking it."""
    try:
        with asking_once() if _is_away.is_set() else nullcontext():
            artifact = cast(UUID, create())
    except NO_ANSWER:
        _is_away.set()
        return None
    _is_away.clear()
    return artifact
