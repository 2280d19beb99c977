"""The artifacts of a step in the Prefect UI: settings, progress, result and metrics."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, cast
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.utilities.urls import url_for

from prefect_parallel.blocks.names import block_name
from prefect_parallel.flow.nodes.progress import Progress
from prefect_parallel.flow.run.pipeline_result import PipelineResult
from prefect_parallel.flow.run.step_result import StepResult
from prefect_parallel.flow.server.flow_run import NO_ANSWER, asking_once
from prefect_parallel.flow.steps.result_page import pipeline_page
from prefect_parallel.job import ParallelStep

UPDATE_SECONDS = 2.0
"""Minimum time between two updates of the progress artifact."""


class StepArtifacts:
    """The artifacts of one step's flow run. They are left out while the server does not answer."""

    def __init__(self, pipeline: str, step: ParallelStep) -> None:
        self._step = step
        self._pipeline = pipeline
        self._progress: UUID | None = None
        self._updated = 0.0

    def show_settings(self) -> None:
        """Create a table of the effective settings: value and origin of each."""
        settings, origins = self._step.settings, self._step.origins
        rows = [
            {"setting": name, "value": str(value), "from": origins[name]}
            for name, value in sorted(settings.items())
        ]
        _tell(
            lambda: create_table_artifact(
                table=rows, key=self._key("settings"), description="Effective settings"
            )
        )

    def show_progress(self, progress: Progress, *, last: bool = False) -> None:
        """Create or update the progress artifact, every `UPDATE_SECONDS` and the last time."""
        now = time.monotonic()
        if now - self._updated < UPDATE_SECONDS and not last:
            return
        self._updated = now
        percent = 100 * progress.done / max(progress.mini_batches, 1)
        text = f"{progress}, {progress.rate}" if progress.items else str(progress)
        with asking_once():
            self._show_progress(percent, text)

    def _show_progress(self, percent: float, text: str) -> None:
        if self._progress is None:
            self._progress = _tell(
                lambda: create_progress_artifact(
                    progress=percent, key=self._key("progress"), description=text
                )
            )
        else:
            update_id = self._progress
            _tell(lambda: update_progress_artifact(update_id, percent, description=text))

    def _key(self, what: str) -> str:
        return _key(self._pipeline, self._step.name, what)


def show_step(pipeline: str, step: str, end: StepResult) -> None:
    """Create artifacts of the result of a step in its flow run."""
    if end.metrics:
        show_metrics(pipeline, step, end.metrics)
    if end.page:
        _tell(
            lambda: create_markdown_artifact(
                end.page, key=_key(pipeline, step, "result"), description="Result and failures"
            )
        )


def show_pipeline(
    reason: str, result: PipelineResult, flow_runs: Mapping[str, UUID | None]
) -> None:
    """Create an artifact of a pipeline's result, with links to the flow runs of its steps."""
    links = {
        name: url_for("flow-run", obj_id=flow_run)
        for name, flow_run in flow_runs.items()
        if flow_run is not None
    }
    _tell(
        lambda: create_markdown_artifact(
            pipeline_page(reason, result, links),
            key=_key(result.name, "result"),
            description="Result of each step",
        )
    )


def show_metrics(pipeline: str, step: str, metrics: Mapping[str, float]) -> None:
    """Create a table of a step's metrics in the current flow run: the step's or its parent's."""
    rows = [{"metric": name, "value": value} for name, value in metrics.items()]
    _tell(
        lambda: create_table_artifact(
            table=rows, key=_key(pipeline, step, "metrics"), description=f"Of step {step}"
        )
    )


def _key(*names: str) -> str:
    """An artifact key, which may have the same characters as the name of a block."""
    return block_name("-".join(names))


_is_away = threading.Event()
"""Set while the server does not answer. Requests are not retried then: that takes a minute each."""


def _tell(create: Callable[[], Any]) -> UUID | None:
    """Send an artifact. A run goes on if the server does not take it."""
    try:
        with asking_once() if _is_away.is_set() else nullcontext():
            artifact = cast(UUID, create())
    except NO_ANSWER:
        _is_away.set()
        return None
    _is_away.clear()
    return artifact
