"""What a parallel step is about to do: its mini-batches, its settings, and what is done already."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass

from prefect_parallel.data import ByKeys, BySize, MiniBatch, Plan, plan
from prefect_parallel.entry.config import EntryConfig
from prefect_parallel.flow.run import Run
from prefect_parallel.flow.snapshot import take_snapshot
from prefect_parallel.flow.watch import Limits
from prefect_parallel.job import Data, OutputOf, ParallelStep
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.fingerprint import of_code, of_json
from prefect_parallel.output.formats import format_for
from prefect_parallel.output.part import read_record


@dataclass(frozen=True)
class StepPlan:
    """A step that is ready to run.

    Attributes:
        unit: What an item is: `files` or `rows`.
        mini_batches: All of them, in order.
        config: What a node must know.
        notes: What planning has to tell.
        to_do: Those mini-batches that have no part that still holds.
        reasons: Why not, for a resumed run: reason -> how many.
    """

    unit: str
    mini_batches: list[MiniBatch]
    config: EntryConfig
    notes: tuple[str, ...]
    to_do: list[MiniBatch]
    reasons: Counter[str]


def plan_step(step: ParallelStep, run: Run, slots: int) -> StepPlan:
    """Split the major input, take the snapshot of the code, see what an earlier run left.

    Raises:
        InvalidInput: The input cannot be split.
    """
    directory = run.directory.step(step.name)
    source = step.inputs[step.input_name]
    assert isinstance(source, (Data, OutputOf)), "checked when the job was resolved"
    planned = plan(
        run.location(source),
        type=source.type,
        mode=source.mode,
        split=ByKeys(step.partition_keys) if step.partition_keys else BySize(step.mini_batch_size),
        work_folder=str(directory.grouped),
        datastores=run.datastores,
    )
    # What a run that was killed has left may be of another version.
    shutil.rmtree(directory.fetched, ignore_errors=True)
    run.make_outputs(step)
    directory.parts.mkdir(parents=True, exist_ok=True)
    take_snapshot(step.code, directory.code, run_directory=run.directory.root)
    mini_batches = list(planned.mini_batches)
    config = _config(step, run, planned, slots)
    reasons: Counter[str] = Counter()
    to_do = []
    for mini_batch in mini_batches:
        reason = _reason_to_run(mini_batch, config, directory)
        if reason is not None:
            to_do.append(mini_batch)
            reasons[reason] += 1
    unit = "files" if planned.kind == "files" else "rows"
    return StepPlan(unit, mini_batches, config, planned.notes, to_do, reasons)


def limits_of(step: ParallelStep) -> Limits:
    """How long the step may keep silent.

    By default as long as a healthy one can: a process starts, loads its mini-batch, runs it and
    writes its part, and each takes just about as long as it may.
    """
    predefined = step.predefined
    first = predefined.first_task_creation_timeout
    silent = first + step.timeout + 2 * predefined.task_overhead_timeout
    return Limits(first, predefined.progress_update_timeout or silent)


def _reason_to_run(
    mini_batch: MiniBatch, config: EntryConfig, directory: StepDirectory
) -> str | None:
    if config.committed(mini_batch):
        return None
    part = directory.part(mini_batch.index)
    record = read_record(part)
    if record is None:
        return "did not run before"
    # It would be counted until the mini-batch has run.
    part.unlink()
    if record.error is not None:
        return "failed before"
    if record.settings != config.fingerprint:
        return "ran with other code, arguments or inputs"
    return "have other data"


def _config(step: ParallelStep, run: Run, planned: Plan, slots: int) -> EntryConfig:
    directory = run.directory.step(step.name)
    output = run.aggregated_output(step)
    arguments = step.arguments(run.values(step))
    # A step of the "many models" kind stores its own output and returns [].
    held_to_count = not (step.partition_keys and output is None)
    side_inputs = {
        name: run.fingerprint(source)
        for name, source in step.inputs.items()
        if name != step.input_name and isinstance(source, (Data, OutputOf))
    }
    return EntryConfig(
        step_directory=str(directory.root),
        code=str(directory.code),
        entry_script=step.entry_script,
        arguments=tuple(arguments),
        environment_variables=step.environment_variables,
        logging_level=step.logging_level,
        input_name=step.input_name,
        reader=planned.reader,
        datastores=run.datastores.to_json(),
        fetch=tuple(place.path for place in run.to_fetch(step)),
        output_file=None if output is None else output.name,
        held_to_count=held_to_count,
        slots=slots,
        timeout=step.timeout,
        task_overhead_timeout=step.predefined.task_overhead_timeout,
        first_task_creation_timeout=step.predefined.first_task_creation_timeout,
        resource_monitor_interval=step.predefined.resource_monitor_interval,
        profiles=step.predefined.profiling_module is not None,
        fingerprint=of_json(
            {
                "code": of_code(directory.code),
                "entry_script": step.entry_script,
                "arguments": arguments,
                "environment_variables": step.environment_variables,
                "reader": planned.reader,
                "side_inputs": side_inputs,
                "format": None if output is None else type(format_for(output.name)).__name__,
                "held_to_count": held_to_count,
            }
        ),
    )
