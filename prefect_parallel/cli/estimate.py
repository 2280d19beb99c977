"""How long a step takes, estimated from the latest run of the pipeline that has run some of it."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from statistics import mean

import yaml

from prefect_parallel.data import MiniBatch
from prefect_parallel.errors import counted
from prefect_parallel.flow.nodes.groups import Work
from prefect_parallel.flow.run_directories.runs import runs_in
from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.duration import duration
from prefect_parallel.output.run_log import StepLog, read_step

MAX_RUNS = 50
"""Number of runs that are looked at, from the latest on."""


def estimate(folder: Path, pipeline: str, step: str, work: Work, slots: int) -> str | None:
    """E.g. `about 5 min 20 s, by 10 mini-batches of run monday`; None if no run is known.

    Args:
        folder: Of the run directories.
        pipeline: Display name of the pipeline, or the name of its file.
        work: The mini-batches that are planned.
        slots: Number of slots on all nodes.
    """
    for run in runs_in(folder)[:MAX_RUNS]:
        # It may be removed meanwhile.
        with suppress(FileNotFoundError):
            if _is_of(run, pipeline) and (estimated := _by(run, step, work, slots)):
                return estimated
    return None


def _is_of(run: RunDirectory, pipeline: str) -> bool:
    try:
        job = yaml.safe_load(run.job_file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return isinstance(job, dict) and job.get("display_name") == pipeline


def _by(run: RunDirectory, step: str, work: Work, slots: int) -> str | None:
    """The estimate by one run; None if no mini-batch of the step has succeeded in it."""
    log = read_step(step, run.step(step))
    succeeded = {each.mini_batch for each in log.attempts if each.error is None}
    if not succeeded:
        return None
    seconds = _start_seconds(log) + _work_seconds(log, succeeded, work) / slots
    measured = counted(len(succeeded), "mini-batch")
    return f"about {duration(seconds)}, by {measured} of run {run.root.name}"


def _start_seconds(log: StepLog) -> float:
    return mean([each.seconds for each in log.startups]) if log.startups else 0.0


def _work_seconds(log: StepLog, succeeded: set[int], work: Work) -> float:
    """The time of all mini-batches one after the other, retries included.

    As in `Work.share`, half of the time of a mini-batch is proportional to its extent.
    """
    spent = sum(each.seconds for each in log.attempts if each.mini_batch in succeeded)
    each, extents = spent / len(succeeded), 0
    with log.directory.plan.open(encoding="utf-8") as lines:
        for index, line in enumerate(lines):
            if index in succeeded:
                extents += MiniBatch.from_json(json.loads(line)["mini_batch"]).extent
    if not extents:
        return each * work.mini_batches
    return each * (work.mini_batches + work.extent * len(succeeded) / extents) / 2
