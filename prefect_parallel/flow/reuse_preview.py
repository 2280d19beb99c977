"""What a step would reuse of earlier runs, found without running or taking anything."""

from __future__ import annotations

import tempfile
from pathlib import Path
from threading import Event

from prefect_parallel.flow.nodes.groups import Work
from prefect_parallel.flow.run.environments import Environments
from prefect_parallel.flow.run.major_input import major_input, split_input
from prefect_parallel.flow.run.selection import ALL
from prefect_parallel.flow.run.step_data import StepData
from prefect_parallel.flow.run_directories.earlier_runs import EarlierRuns
from prefect_parallel.flow.run_options import RunOptions
from prefect_parallel.flow.steps.earlier_steps import only_look
from prefect_parallel.flow.steps.part_search import PartSearch
from prefect_parallel.flow.steps.snapshot import take_snapshot
from prefect_parallel.flow.steps.step_fingerprint import StepFingerprint
from prefect_parallel.flow.steps.step_plan import files_per_mini_batch, never_reused
from prefect_parallel.job import OutputOf, ParallelStep
from prefect_parallel.layout import RunDirectory


def preview(
    step: ParallelStep, pipeline: str, earlier: EarlierRuns, options: RunOptions
) -> tuple[Work, str]:
    """The mini-batches that would run, and what is reused, in the words of a run.

    Args:
        step: The step.
        pipeline: The title of the pipeline.
        earlier: The runs that are looked at.
        options: Those of the run.

    Raises:
        InvalidInput: The input cannot be split.
    """
    before = {source.step for source in step.inputs.values() if isinstance(source, OutputOf)}
    if before:
        return Work(), f"unknown until {', '.join(sorted(before))} has run"
    if step.environment_templates:
        names = ", ".join(step.environment_templates)
        return Work(), f"unknown until a run looks up {names} on the Prefect server"
    with tempfile.TemporaryDirectory(prefix="prefect-parallel-plan-") as scratch:
        run = RunDirectory(Path(scratch))
        compared = options.comparison(run, earlier)
        data = StepData(step, run, options.datastores)
        directory = data.directory
        location = data.location(major_input(step))
        split = split_input(step, location, options.datastores, work_folder=str(directory.grouped))
        take_snapshot(step.code, directory.code, leave_out=(Path(options.output_dir).absolute(),))
        ours = StepFingerprint.of(
            pipeline, data, data.values(), Environments(), compared, split.reader
        )
        search = PartSearch(
            step=step.name,
            directory=directory,
            ours=ours,
            compared=compared,
            resumed=False,
            earlier=earlier,
            never=never_reused(step, ours),
            canceled=Event(),
            take=only_look,
        )
        planned = search.run(split.mini_batches, files_per_mini_batch(step, split))
        planned.select(ALL)
        return planned.work(), planned.summary()
