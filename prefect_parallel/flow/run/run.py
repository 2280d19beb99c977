"""One run of a pipeline."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias
from uuid import UUID

from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed, Failed

from prefect_parallel.data import Datastores, Location
from prefect_parallel.flow.nodes.step_monitor import StepCanceled
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.run.cancellation import Cancellation
from prefect_parallel.flow.run.comparison import Comparison
from prefect_parallel.flow.run.computes import Computes
from prefect_parallel.flow.run.data_assets import register
from prefect_parallel.flow.run.environments import Environments
from prefect_parallel.flow.run.output_places import OutputPlaces
from prefect_parallel.flow.run.selection import ALL, Selection
from prefect_parallel.flow.run.step_data import StepData, aggregated_output
from prefect_parallel.flow.run.step_result import CAUSES, Place, StepResult
from prefect_parallel.flow.run.step_starts import StepStarts
from prefect_parallel.flow.run_directories.earlier_runs import EarlierRuns
from prefect_parallel.flow.run_directories.run_mirror import RunMirror
from prefect_parallel.flow.server.flow_run import ask_once_if_away
from prefect_parallel.flow.server.server import patience_with_server
from prefect_parallel.job import CommandStep, Graph, ParallelStep, PipelineStep
from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.job_result import Status

STATES: dict[Status, Callable[..., State[Any]]] = {
    "Completed": Completed,
    "Failed": Failed,
    "Canceled": Cancelled,
    "Prepared": partial(Completed, name="Prepared"),
}
"""The state of a flow run for each way in which a step ends."""

LEVELS: dict[Status, int] = {
    "Completed": logging.INFO,
    "Failed": logging.ERROR,
    "Canceled": logging.WARNING,
    "Prepared": logging.INFO,
}

Phase: TypeAlias = Literal["all", "prepare", "finish"]

CANCEL_GRACE_SECONDS = 5.0
"""Time that running mini-batches have to finish when a run is canceled."""


@dataclass(frozen=True)
class Run:
    """What all steps of a run share.

    Attributes:
        pipeline: The title of the pipeline.
        directory: The run directory, with an absolute path.
        resumes: Whether an earlier run in this directory is continued.
        earlier: The runs whose results are reused; None: none.
        comparison: How data is compared with that of earlier runs.
        datastores: Definitions of `azureml:` names of data.
        output_places: Where outputs are published.
        mirror: The directory's copy on remote storage; None: there is none.
        max_task_runs: Maximum number of task runs of a step.
        task_run_seconds: How long a task run is meant to take.
        selection: Which mini-batches of each parallel step run.
        phase: Whether parallel steps run on nodes, or are prepared for workers, or finished.
        starts: Whose turn it is to start.
        cancellation: Which steps are to stop; all, or single ones.
        continues_on_step_failure: Whether steps that do not depend on a failed one still run.
        ended: The results of the steps that have ended.
        flow_runs: Their flow runs.
        running: The steps that run, by their flow runs.
    """

    pipeline: str
    directory: RunDirectory
    observer: Observer
    resumes: bool
    earlier: EarlierRuns | None
    comparison: Comparison
    datastores: Datastores
    output_places: OutputPlaces
    mirror: RunMirror | None
    computes: Computes
    environments: Environments
    max_task_runs: int
    task_run_seconds: float
    selection: Selection
    phase: Phase
    continues_on_step_failure: bool
    starts: StepStarts = field(default_factory=StepStarts)
    cancellation: Cancellation = field(default_factory=Cancellation)
    ended: dict[str, StepResult] = field(default_factory=dict)
    flow_runs: dict[str, UUID | None] = field(default_factory=dict)
    running: dict[UUID, str] = field(default_factory=dict)

    def store_of(self, step: ParallelStep | CommandStep) -> Location | None:
        """The run's copy for nodes that do not see its directory; None: nodes need none."""
        if isinstance(step, CommandStep) or self.computes.place_of(step).is_this_machine:
            return None
        return None if self.mirror is None else self.mirror.remote

    def data_of(self, step: ParallelStep | CommandStep) -> StepData:
        return StepData(step, self.directory, self.datastores, self.store_of(step))

    def place_of(self, path: Path) -> Place:
        """Where users find something in the run directory."""
        return path if self.mirror is None else self.mirror.url_of(path)

    def publish(self, step: ParallelStep | CommandStep) -> Iterator[str]:
        """Publish the outputs of a step that succeeded, and register those that are assets.

        Yields:
            What was published where, unless the result of the step says it.

        Raises:
            PublishFailed: The step did not write a file, or it cannot be copied.
            StepCanceled: The step was canceled.
            AssetExists: An output would replace a data asset that is somewhere else.
        """
        directory, main = self.directory.step(step.name), self._main_output(step)
        canceled = self.cancellation.of(step.name)

        def check() -> None:
            if canceled.is_set():
                raise StepCanceled

        for name in self.output_places.publish(step, directory, check):
            if name != main:
                yield f"output {name}: {self._final_place(step.name, name)}"
        if self.selection != ALL:
            return
        assets = [
            (name, each.type, each.asset) for name, each in step.outputs.items() if each.asset
        ]
        # Those with a version first: only these can be refused.
        for name, of_type, asset in sorted(assets, key=lambda each: each[2].version is None):
            registered = register(asset, of_type, str(self._final_place(step.name, name)))
            yield f"output {name}: {registered}"

    def output_of(self, step: ParallelStep | CommandStep) -> Place:
        """What is shown as the output of a step; see `StepResult`."""
        directory, main = self.directory.step(step.name), self._main_output(step)
        if main is None:
            return self.place_of(directory.outputs)
        rows = aggregated_output(step, directory) if isinstance(step, ParallelStep) else None
        return self._final_place(step.name, main, rows)

    def _main_output(self, step: ParallelStep | CommandStep) -> str | None:
        if isinstance(step, ParallelStep) and step.append_row_to is not None:
            return step.append_row_to.output
        names = list(self._outputs(step))
        return names[0] if len(names) == 1 else None

    def _final_place(self, step: str, output: str, file: Path | None = None) -> Place:
        """Where an output, or a file of it, is published; else, its place in the run directory."""
        folder = self.directory.step(step).output(output)
        path = file or folder
        below = path.relative_to(folder).as_posix()
        return self.output_places.place_of(step, output, below) or self.place_of(path)

    def upload(self, step: str | None = None) -> None:
        """Bring the directory's copy up to date, or only the folder of a step.

        Raises:
            UploadFailed: The storage cannot be written to.
        """
        if self.mirror is not None:
            self.mirror.upload(step)

    def step_result(
        self,
        step: ParallelStep | CommandStep | PipelineStep,
        status: Status,
        reason: str,
        log: Path | None,
    ) -> StepResult:
        """The result of a step, without counts and failures."""
        outputs: dict[str, Place] = {}
        output = None
        if status == "Completed":
            outputs = self._outputs(step)
        if outputs and not isinstance(step, PipelineStep):
            output = self.output_of(step)
        return StepResult(
            status=status,
            reason=reason,
            summary=reason,
            run_directory=self.place_of(self.directory.root),
            report=self.place_of(self.directory.report),
            output=output,
            outputs=outputs,
            log=None if log is None else self.place_of(log),
        )

    def _outputs(self, step: ParallelStep | CommandStep | PipelineStep) -> dict[str, Place]:
        if isinstance(step, PipelineStep):
            sources = step.sources
        else:
            sources = {name: (step.name, name) for name in step.outputs}
            artifacts = self.directory.step(step.name).artifacts
            if isinstance(step, CommandStep) and artifacts.exists():
                sources[artifacts.name] = (step.name, artifacts.name)
        return {name: self._final_place(*source) for name, source in sources.items()}

    def leaves(self, graph: Graph) -> dict[str, StepResult]:
        """The results of the parallel and command steps of a graph that have ended, by name."""
        names = [step.name for step in graph.leaves()]
        return {name: self.ended[name] for name in names if name in self.ended}

    def why_canceled(self) -> str | None:
        """Why the run, or a step of it, was canceled; None if nothing was."""
        alone = self.cancellation.of_steps()
        canceled = [name for name, end in self.ended.items() if end.status == "Canceled"]
        named = "; ".join(alone[name] for name in canceled if name in alone)
        return named or self.cancellation.reason()

    def end_step(self, name: str, end: StepResult) -> State[None]:
        """Note the result of a step, and return the final state of its flow run."""
        self.ended[name] = end
        self.observer.step_ended(name, end)
        log_end(end)
        get_run_logger().info("report: %s", end.report)
        ask_once_if_away(self.observer, patience_with_server())
        return STATES[end.status](message=end.reason)


def log_end(end: StepResult, title: str = "") -> None:
    """Log the result of a step in the current flow run, behind a title."""
    logger = get_run_logger()
    logger.log(LEVELS[end.status], "%s%s: %s", title, end.status, end.summary)
    for failures in end.failures[:CAUSES]:
        logger.warning("failed: %s", failures)
        if failures.traceback is not None:
            logger.info("traceback: %s", failures.traceback)
        logger.info("reproduce: %s", failures.repeat)
    for name, place in (("output", end.output), ("log", end.log)):
        if place is not None:
            logger.info("%s: %s", name, place)
