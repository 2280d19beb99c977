"""What a parallel step is about to do: its mini-batches, its settings, and what is done already."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from prefect_parallel.data import BySize, Plan
from prefect_parallel.entry.azure_variables import azure_variables
from prefect_parallel.entry.config import EntryConfig
from prefect_parallel.flow.run.major_input import major_input, split_input
from prefect_parallel.flow.run.run import Run
from prefect_parallel.flow.run.step_data import delimiter_of, folder_outputs, output_name_of
from prefect_parallel.flow.steps.part_search import PartSearch
from prefect_parallel.flow.steps.planned_mini_batches import PlannedMiniBatches
from prefect_parallel.flow.steps.snapshot import take_snapshot
from prefect_parallel.flow.steps.step_fingerprint import (
    NO_VERSION,
    StepFingerprint,
    checks_item_count,
)
from prefect_parallel.job import ParallelStep
from prefect_parallel.job.syntax.expressions import find
from prefect_parallel.output.output_files import move_back


@dataclass(frozen=True)
class StepPlan:
    """A step that is ready to run.

    Attributes:
        unit: What an item is: `files`, `rows` or `items`.
        config: What a node must know.
        notes: Remarks of the planner, one sentence each.
        mini_batches: Its mini-batches, and which have a part already.
    """

    unit: str
    config: EntryConfig
    notes: tuple[str, ...]
    mini_batches: PlannedMiniBatches


def plan_step(step: ParallelStep, run: Run, slots: int) -> StepPlan:
    """Split the major input, take a snapshot of the code, look for the parts of earlier runs.

    Raises:
        InvalidInput: The input cannot be split, or has none of the selected mini-batches.
        StepCanceled: The run was canceled meanwhile.
    """
    data = run.data_of(step)
    directory = data.directory
    location = data.location(major_input(step))
    planned = split_input(step, location, run.datastores, work_folder=str(directory.grouped))
    # Workers must not take what is out of date.
    directory.work.unlink(missing_ok=True)
    # Copies that a killed run has left may be of another version.
    shutil.rmtree(directory.fetched, ignore_errors=True)
    move_back(directory)
    data.make_outputs()
    directory.parts.mkdir(parents=True, exist_ok=True)
    take_snapshot(step.code, directory.code, leave_out=run.directory.all_runs)
    values = data.values()
    fingerprint = StepFingerprint.of(
        run.pipeline, data, values, run.environments, run.comparison, planned.reader
    )
    search = PartSearch(
        step=step.name,
        directory=directory,
        ours=fingerprint,
        compared=run.comparison,
        resumed=run.resumes,
        earlier=run.earlier,
        never=never_reused(step, fingerprint),
        canceled=run.cancellation.of(step.name),
    )
    mini_batches = search.run(planned.mini_batches, files_per_mini_batch(step, planned))
    mini_batches.select(run.selection)
    return StepPlan(
        unit="rows" if planned.kind == "table" else planned.kind,
        config=_config(step, run, planned, values, slots, fingerprint),
        notes=planned.notes,
        mini_batches=mini_batches,
    )


def never_reused(step: ParallelStep, fingerprint: StepFingerprint) -> str:
    """Why a step never reuses results of earlier runs; empty if it may.

    Files that a script writes belong to no mini-batch. They would be missing.
    """
    if fingerprint.unversioned:
        return f"of a step whose input {fingerprint.unversioned[0]} {NO_VERSION}"
    texts = step.program_arguments, *step.environment_expressions.values()
    names = [each.name for text in texts for each in find(text) if "outputs" in each.words]
    if names:
        outputs = ", ".join(f"${{{{outputs.{name}}}}}" for name in names)
        return f"of a script that may write to {outputs} itself"
    return "" if step.append_row_to else "of a script that stores its results itself"


def files_per_mini_batch(step: ParallelStep, planned: Plan) -> int | None:
    """The number of files of a mini-batch; None if it has something else, or is made by key."""
    if planned.kind != "files" or step.partition_keys:
        return None
    return BySize(step.mini_batch_size).files


def _config(
    step: ParallelStep,
    run: Run,
    planned: Plan,
    values: dict[str, str],
    slots: int,
    fingerprint: StepFingerprint,
) -> EntryConfig:
    data = run.data_of(step)
    nodes = run.computes.place_of(step).instances(step.instance_count)
    variables = azure_variables(
        run.directory.root.name, step.name, nodes=nodes, output=data.directory.outputs
    )
    return EntryConfig(
        step_directory=str(data.directory.root),
        code=str(data.directory.code),
        entry_script=step.entry_script,
        arguments=tuple(step.arguments(values)),
        environment_variables=variables | step.variables(values),
        environment_templates=step.environment_templates,
        environment=run.environments.of(step),
        image=run.environments.image_of(data),
        logging_level=step.logging_level,
        input_name=step.input_name,
        reader=planned.reader,
        datastores=run.datastores.to_json(),
        fetch=tuple(place.path for place in data.to_fetch()),
        folder_outputs=folder_outputs(step),
        output_file=output_name_of(step) if step.append_row_to else None,
        delimiter=delimiter_of(step),
        checks_item_count=checks_item_count(step),
        slots=slots,
        gpus=run.computes.place_of(step).gpus_per_instance,
        timeout=step.timeout,
        task_overhead_timeout=step.task_overhead_timeout,
        first_task_creation_timeout=step.first_task_creation_timeout,
        resource_monitor_interval=step.resource_monitor_interval,
        profiles=step.profiling_module is not None,
        prefetch=step.prefetch,
        max_mini_batches_per_process=step.max_mini_batches_per_process,
        max_process_memory=step.max_process_memory,
        isolates_failed_items=step.isolate_failed_items,
        error_threshold=step.error_threshold,
        fingerprint=fingerprint.settings_digest,
        packages=fingerprint.packages_digest,
    )
