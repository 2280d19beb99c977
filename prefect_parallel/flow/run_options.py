"""How a pipeline is run: what the command line and `compile_pipeline` leave to their user."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from prefect_parallel.data import NO_DATASTORES, Datastores
from prefect_parallel.flow.run_directories.run_handle import RunHandle
from prefect_parallel.flow.run_directories.runs import Runs
from prefect_parallel.flow.steps.groups import MAX_TASK_RUNS
from prefect_parallel.job import PipelineJob

if TYPE_CHECKING:
    from prefect_parallel.flow.run.environments import Choice

DEFAULT_OUTPUT_DIR = "runs"


@dataclass(frozen=True)
class RunOptions:
    """How a pipeline is run.

    Attributes:
        output_dir: The folder that run directories are made in, or a URL.
        name: The run directory's; None: the pipeline's title with a time stamp.
        resumes: Whether the run of that name is gone on with.
        datastores: What `azureml:` names of data stand for.
        strict: Whether a compute without a block is an error.
        max_task_runs: Up to so many mini-batches of a step are task runs of their own.
        environment: What steps run on.
    """

    output_dir: str | Path = DEFAULT_OUTPUT_DIR
    name: str | None = None
    resumes: bool = False
    datastores: Datastores = NO_DATASTORES
    strict: bool = False
    max_task_runs: int = MAX_TASK_RUNS
    environment: Choice = "this"

    def handle(self, name: str, *, retried: bool = False) -> RunHandle:
        """The run of a name.

        Args:
            name: The name of the run directory.
            retried: Whether this is a retry of a flow run, whose earlier attempts may have failed
                before there was a directory.

        Raises:
            InvalidInput: The output directory is in a datastore that is not known.
            UnusableRunDirectory: Remote storage has such a run, or if it is resumed has not.
        """
        runs = Runs.at(self.output_dir, self.datastores)
        return runs.handle(name, resumes=self.resumes or (retried and runs.has(name)))


def title(job: PipelineJob) -> str:
    """What a pipeline is called."""
    return job.display_name or (job.path.stem if job.path else "pipeline")


def default_run_name(job: PipelineJob, moment: datetime | None = None) -> str:
    """The title and the time, as a folder name on any system."""
    words = re.sub(r"[^\w.-]+", "-", title(job)).strip("-.") or "run"
    return f"{words}-{moment or datetime.now():%Y%m%d-%H%M%S}"
