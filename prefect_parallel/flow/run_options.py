"""The options of a run, from the command line or `compile_pipeline`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from prefect_parallel.data import NO_DATASTORES, Datastores
from prefect_parallel.errors import InvalidCall
from prefect_parallel.flow.nodes.groups import MAX_TASK_RUNS, TASK_RUN_SECONDS
from prefect_parallel.flow.run.comparison import Comparison
from prefect_parallel.flow.run.selection import ALL, Selection
from prefect_parallel.flow.run_directories.earlier_runs import EarlierRuns
from prefect_parallel.flow.run_directories.run_handle import RunHandle
from prefect_parallel.flow.run_directories.runs import Runs, place_of_run
from prefect_parallel.layout import RunDirectory, UnusableRunDirectory

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

    from prefect_parallel.blocks import Compute
    from prefect_parallel.flow.run.environments import Choice
    from prefect_parallel.flow.run.run import Phase

ReuseBy: TypeAlias = Literal["time", "content"]

DEFAULT_OUTPUT_DIR = "runs"


@dataclass(frozen=True)
class RunOptions:
    """The options of a run.

    Attributes:
        output_dir: The folder of run directories, or its URL.
        name: The name of the run directory; None: the pipeline's title and the time.
        resumes: Whether the run of that name is continued.
        datastores: Definitions of `azureml:` names.
        computes: Computes by the names that steps give; others are looked up as blocks.
        strict: Whether a compute without a block is an error.
        max_task_runs: Maximum number of task runs of a step.
        task_run_seconds: How long a task run is meant to take.
        selection: Which mini-batches of each parallel step run.
        reuse: Whether results of earlier runs in `output_dir` are reused; or the name of the run
            whose results are.
        reuse_by: How local data is compared: by size and time, or by content.
        environment: Which Python steps run on.
        phase: Whether parallel steps run on nodes, or are prepared for workers, or finished.
    """

    output_dir: str | Path = DEFAULT_OUTPUT_DIR
    name: str | None = None
    resumes: bool = False
    datastores: Datastores = NO_DATASTORES
    computes: Mapping[str, Compute] = field(default_factory=dict)
    strict: bool = False
    max_task_runs: int = MAX_TASK_RUNS
    task_run_seconds: float = TASK_RUN_SECONDS
    selection: Selection = ALL
    reuse: bool | str = False
    reuse_by: ReuseBy = "time"
    environment: Choice = "this"
    phase: Phase = "all"

    def __post_init__(self) -> None:
        if self.name is not None and (self.name in ("", ".", "..") or "/" in self.name):
            raise UnusableRunDirectory(
                f"invalid name of a run: {self.name!r}",
                allowed="the name of a folder, without /",
                hint="the folder of all runs is the output directory",
            )

    @classmethod
    def named(
        cls, output_dir: str | Path, name: str | None, resume: str | None, **options: Any
    ) -> RunOptions:
        """The options of a new run, or of one that is resumed.

        Args:
            output_dir: The folder of run directories, or its URL.
            name: The name of a new run.
            resume: The name, path or URL of a run that is resumed.
            options: Other options.

        Raises:
            UnusableRunDirectory: The name is not one of a folder.
        """
        if resume is not None:
            output_dir, name = place_of_run(output_dir, resume)
        return cls(output_dir=output_dir, name=name, resumes=resume is not None, **options)

    def handle(self, name: str, *, retried: bool = False) -> RunHandle:
        """The run of a name.

        A retry of a flow run, or its start after a suspension, continues it if there is a
        directory: earlier attempts may have failed before that.

        Raises:
            InvalidInput: The output directory is in a datastore that is not known.
            InvalidCall: The run cannot be prepared for workers with these options.
            UnusableRunDirectory: Remote storage has such a run, or if it is resumed has not.
        """
        runs = self._runs()
        return runs.handle(name, resumes=self.resumes or (retried and runs.has(name)))

    def handle_of(self, flow_run: FlowRun, title: str) -> RunHandle:
        """The run of a flow run: of the name that was given, else of one that its retries share.

        Args:
            title: The title of the pipeline, with which that name begins.

        Raises:
            InvalidInput: The output directory is in a datastore that is not known.
            InvalidCall: The run cannot be prepared for workers with these options.
            UnusableRunDirectory: Remote storage has such a run, or if it is resumed has not.
        """
        # The last digits, because the first ones are the time.
        default = f"{default_run_name(title, flow_run.start_time)}-{str(flow_run.id)[-8:]}"
        # Prefect does not count a start after a suspension.
        retried = flow_run.run_count > 1 or bool(flow_run.empirical_policy.pause_keys)
        return self.handle(self.name or default, retried=retried)

    def earlier_runs(
        self, force_rerun: bool | None, *, but: str | None = None
    ) -> EarlierRuns | None:
        """The runs whose results are reused; None if none are.

        Args:
            force_rerun: As the pipeline's settings have it.
            but: The name of the run that reuses them.

        Raises:
            UnusableRunDirectory: The run that is named does not exist.
        """
        if force_rerun or not (self.reuse or force_rerun is False):
            return None
        name = self.reuse if isinstance(self.reuse, str) else None
        return EarlierRuns.of(Runs.at(self.output_dir, self.datastores), name, but=but)

    def comparison(self, run: RunDirectory, earlier: EarlierRuns | None) -> Comparison:
        """How the data of a run is compared with that of earlier runs."""
        return Comparison(
            run.root,
            by_content=self.reuse_by == "content",
            outputs_by_content=earlier is not None,
        )

    def new_handle(self, title: str) -> RunHandle:
        """The run of the name that was given, else of a free one, which is taken at once.

        Args:
            title: The title of the pipeline, with which a free name begins.

        Raises:
            InvalidInput: The output directory is in a datastore that is not known.
            InvalidCall: The run cannot be prepared for workers with these options.
            UnusableRunDirectory: The run exists already, or cannot be resumed or written to.
        """
        if self.name is None:
            return self._runs().reserve(default_run_name(title))
        handle = self.handle(self.name)
        handle.refuse_unusable()
        return handle

    def _runs(self) -> Runs:
        runs = Runs.at(self.output_dir, self.datastores)
        if self.phase == "all":
            return runs
        if runs.remote is not None:
            raise InvalidCall(
                f"--workers 0: found --output-dir {self.output_dir}",
                allowed="a folder that all machines share",
            )
        if self.selection != ALL:
            raise InvalidCall("--workers 0 cannot be combined with --first, --sample or --only")
        return runs


def default_run_name(title: str, moment: datetime | None = None) -> str:
    """The title and the time, as a name that is valid on any file system."""
    words = re.sub(r"[^\w.-]+", "-", title).strip("-.") or "run"
    return f"{words}-{moment or datetime.now():%Y%m%d-%H%M%S}"
