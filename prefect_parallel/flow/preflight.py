"""What can be found wrong before anything is started."""

from __future__ import annotations

from pathlib import Path

from prefect_parallel.data import BySize, plan
from prefect_parallel.flow.compile import RunExists
from prefect_parallel.job import Data, ParallelStep, PipelineJob


def check(job: PipelineJob, run_directory: Path) -> None:
    """Refuse a run that could only fail.

    Raises:
        InvalidPipeline: A value does not fit.
        InvalidInput: A major input cannot be read, or is empty; those that other steps make are
            not looked at.
        RunExists: The run directory is there already.
    """
    resolved = job.resolve()
    if run_directory.exists():
        raise RunExists(f"{run_directory} exists already; choose another --name")
    for step in resolved.steps.values():
        if isinstance(step, ParallelStep):
            source = step.inputs[step.input_name]
            if isinstance(source, Data):
                plan(source.location, type=source.type, mode=source.mode, split=BySize(None))
