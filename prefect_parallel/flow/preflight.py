"""What can be found wrong before anything is started."""

from __future__ import annotations

from prefect_parallel.data import BySize, plan
from prefect_parallel.job import Data, ParallelStep, ResolvedJob


def check_inputs(job: ResolvedJob) -> None:
    """Refuse a job that could only fail.

    Raises:
        InvalidInput: A major input cannot be read, or is empty; those that other steps make are
            not looked at.
    """
    for step in job.steps.values():
        if isinstance(step, ParallelStep):
            source = step.inputs[step.input_name]
            if isinstance(source, Data):
                plan(source.location, type=source.type, mode=source.mode, split=BySize(None))
