"""One run of a pipeline: its directory, and what an expression stands for in it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from prefect_parallel.data import NO_DATASTORES, Datastores, Fetched, Location
from prefect_parallel.data.listing import files_at
from prefect_parallel.flow.computes import Computes
from prefect_parallel.flow.environments import Environments
from prefect_parallel.flow.groups import MAX_TASK_RUNS
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.runs import Runs
from prefect_parallel.flow.step_end import StepEnd
from prefect_parallel.job import CommandStep, Data, Literal, Missing, OutputOf, ParallelStep
from prefect_parallel.job.expressions import find
from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.fingerprint import of_data, of_json
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
        datastores: What `azureml:` names of data stand for.
        runs: Where run directories are.
        computes: Where steps run.
        max_task_runs: Up to so many mini-batches of a step are task runs of their own.
        outputs_from: Where outputs of earlier steps are read from; None: the directory.
        environments: What steps run on.
        canceled: Set when the run is to end: steps stop what they do.
        ended: What became of the steps that are over.
    """

    directory: RunDirectory
    observer: Observer
    resumes: bool = False
    datastores: Datastores = NO_DATASTORES
    runs: Runs = field(default_factory=lambda: Runs(Path()))
    computes: Computes = field(default_factory=Computes)
    max_task_runs: int = MAX_TASK_RUNS
    outputs_from: Location | None = None
    environments: Environments = field(default_factory=Environments)
    canceled: threading.Event = field(default_factory=threading.Event)
    ended: dict[str, StepEnd] = field(default_factory=dict)

    def for_step(self, step: ParallelStep) -> Run:
        """The same, for a step: on a cluster, it reads what nodes elsewhere can read, too."""
        if self.computes.place_of(step).is_this_machine:
            return self
        return replace(self, outputs_from=self.runs.store(self.directory))

    def values(self, step: ParallelStep | CommandStep) -> dict[str, str]:
        """What `inputs.x` and `outputs.x` stand for in a step's arguments; absent: not given."""
        return self.input_values(step) | self.output_values(step)

    def input_values(
        self, step: ParallelStep | CommandStep, fetched: Fetched | None = None
    ) -> dict[str, str]:
        """The same for inputs.

        Args:
            step: The step.
            fetched: Where copies of remote data are; None: in the step's directory.
        """
        fetched = fetched or self.fetched(step)
        values = {}
        for name, source in step.inputs.items():
            if isinstance(source, Literal):
                values[f"inputs.{name}"] = source.text
            elif not isinstance(source, Missing):
                place = self.place(source)
                copied = place.is_remote and source.mode != "direct"
                path = fetched.path_of_input(place) if copied else self._as_given(source, place)
                values[f"inputs.{name}"] = str(path)
        return values

    def to_fetch(self, step: ParallelStep | CommandStep) -> list[Location]:
        """The remote inputs whose local copies stand in the step's arguments, or its command."""
        text = step.command if isinstance(step, CommandStep) else step.program_arguments
        named = {each.name for each in find(text) if each.form == "${{inputs.NAME}}"}
        places = [
            self.place(source)
            for name, source in step.inputs.items()
            if name in named and isinstance(source, (Data, OutputOf)) and source.mode != "direct"
        ]
        return [place for place in places if place.is_remote]

    def fetched(self, step: ParallelStep | CommandStep) -> Fetched:
        return Fetched(self.directory.step(step.name).fetched)

    def output_values(self, step: ParallelStep | CommandStep) -> dict[str, str]:
        return {f"outputs.{name}": str(self.output(step, name)) for name in step.outputs}

    def end_step(self, name: str, end: StepEnd) -> State[None]:
        """Note what became of a step; gives the final state of its flow run."""
        self.ended[name] = end
        self.observer.step_ended(name, end)
        return STATES[end.status](message=end.reason)

    def location(self, source: Data | OutputOf) -> str:
        """Where data is, as a local path, URL or `azureml:` name."""
        if isinstance(source, Data):
            return source.location
        output = self.directory.step(source.step).output(source.output)
        if self.outputs_from is None:
            return str(output)
        return self.outputs_from.join(output.relative_to(self.directory.root).as_posix()).path

    def place(self, source: Data | OutputOf) -> Location:
        """The same, once names are looked up.

        Raises:
            InvalidInput: An `azureml:` name is not known.
        """
        return Location.parse(self.location(source), datastores=self.datastores)

    def fingerprint(self, source: Data | OutputOf) -> str:
        """What changes when data does; a URL that the script itself opens is not looked at.

        Raises:
            InvalidInput: Remote data cannot be looked at.
        """
        place = self.place(source)
        if not place.is_remote:
            return of_data(Path(place.path))
        if source.mode == "direct":
            return of_json(place.path)
        return of_json([[file.path, file.size, file.version] for file in files_at(place)])

    def _as_given(self, source: Data | OutputOf, place: Location) -> str:
        """`direct` hands on the URI as it stands."""
        return self.location(source) if place.is_remote else place.path

    def output(self, step: ParallelStep | CommandStep, name: str) -> Path:
        return self.directory.step(step.name).output(name)

    def outputs_folder(self, step: ParallelStep | CommandStep) -> Path | None:
        """The folder that holds a step's outputs; None if it has none."""
        return self.directory.step(step.name).outputs if step.outputs else None

    def make_outputs(self, step: ParallelStep | CommandStep) -> None:
        """Make the folders that a step may write into."""
        for folder in self.output_folders(step):
            folder.mkdir(parents=True, exist_ok=True)

    def output_folders(self, step: ParallelStep | CommandStep) -> list[Path]:
        return [
            path.parent if specification.type == "uri_file" else path
            for name, specification in step.outputs.items()
            for path in [self.output(step, name)]
        ]

    def local_inputs(self, step: ParallelStep | CommandStep) -> list[str]:
        """Paths on this machine, or on one that its nodes share with it, that a step reads."""
        places = [
            self.place(source)
            for source in step.inputs.values()
            if isinstance(source, (Data, OutputOf))
        ]
        return [place.path for place in places if not place.is_remote]

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
