"""One run of a pipeline: its directory, and what an expression stands for in it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from prefect_parallel.flow.progress import Observer, StepEnd
from prefect_parallel.job import CommandStep, Data, Literal, Missing, OutputOf, ParallelStep
from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.job_result import Status

STATES: dict[Status, Callable[..., State[Any]]] = {
    "Completed": Completed,
    "Failed": Failed,
    "Canceled": Cancelled,
}
"""The state of a flow run for each way in which a step ends."""

PARALLEL_RUN_OUTPUT = "parallel_run_step.txt"
"""The aggregated output's name inside an output of type `uri_folder`, as in Azure."""


@dataclass(frozen=True)
class Run:
    """What all steps of a run share.

    Attributes:
        directory: Where the run leaves everything.
        observer: Is told how it goes.
        resumes: Whether an earlier run in this directory is gone on with.
        canceled: Set when the run is to end: steps stop what they do.
        ended: What became of the steps that are over.
    """

    directory: RunDirectory
    observer: Observer
    resumes: bool = False
    canceled: threading.Event = field(default_factory=threading.Event)
    ended: dict[str, StepEnd] = field(default_factory=dict)

    def values(self, step: ParallelStep | CommandStep) -> dict[str, str]:
        """What `inputs.x` and `outputs.x` stand for in a step's arguments; absent: not given."""
        return self.input_values(step) | self.output_values(step)

    def input_values(self, step: ParallelStep | CommandStep) -> dict[str, str]:
        return {
            f"inputs.{name}": self.location(source)
            for name, source in step.inputs.items()
            if not isinstance(source, Missing)
        }

    def output_values(self, step: ParallelStep | CommandStep) -> dict[str, str]:
        return {f"outputs.{name}": str(self.output(step, name)) for name in step.outputs}

    def end_step(self, name: str, end: StepEnd) -> State[None]:
        """Note what became of a step; gives the final state of its flow run."""
        self.ended[name] = end
        self.observer.step_ended(name, end)
        return STATES[end.status](message=end.reason)

    def location(self, source: Literal | Data | OutputOf) -> str:
        """The text of a literal; where data is."""
        if isinstance(source, Literal):
            return str(source.value)
        if isinstance(source, Data):
            return source.location
        return str(self.directory.step(source.step).output(source.output))

    def output(self, step: ParallelStep | CommandStep, name: str) -> Path:
        return self.directory.step(step.name).output(name)

    def outputs_folder(self, step: ParallelStep | CommandStep) -> Path | None:
        """The folder that holds a step's outputs; None if it has none."""
        return self.directory.step(step.name).outputs if step.outputs else None

    def make_outputs(self, step: ParallelStep | CommandStep) -> None:
        """Make the folders that a step may write into."""
        for name, specification in step.outputs.items():
            path = self.output(step, name)
            folder = path.parent if specification.type == "uri_file" else path
            folder.mkdir(parents=True, exist_ok=True)

    def aggregated_output(self, step: ParallelStep) -> Path | None:
        """The file that `append_row_to` names; None if rows are only counted."""
        if step.append_row_to is None:
            return None
        path = self.output(step, step.append_row_to.output)
        if step.append_row_to.subpath:
            return path / step.append_row_to.subpath
        if step.outputs[step.append_row_to.output].type == "uri_file":
            return path
        return path / PARALLEL_RUN_OUTPUT
