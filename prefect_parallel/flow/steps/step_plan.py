"""What a parallel step is about to do: its mini-batches, its settings, and what is done already.

The plan is written once, to `plan.jsonl`, while the input is listed. The driver submits from that
file, so its memory does not grow with the number of mini-batches.
"""

from __future__ import annotations

import itertools
import json
import shutil
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prefect_parallel.atomic_write import atomic_write
from prefect_parallel.data import MiniBatch, Plan
from prefect_parallel.entry.azure_variables import azure_variables
from prefect_parallel.entry.config import EntryConfig
from prefect_parallel.entry.function_file import FunctionHeader
from prefect_parallel.errors import InvalidInput
from prefect_parallel.flow.nodes.groups import Work
from prefect_parallel.flow.nodes.step_monitor import StepCanceled
from prefect_parallel.flow.run.major_input import major_input, split_input
from prefect_parallel.flow.run.run import Run
from prefect_parallel.flow.run.step_data import aggregated_output, delimiter_of
from prefect_parallel.flow.steps.snapshot import take_snapshot
from prefect_parallel.job import ParallelStep
from prefect_parallel.layout import FUNCTION_SUFFIX, StepDirectory
from prefect_parallel.output.fingerprint import of_code, of_json, of_text
from prefect_parallel.output.formats import format_for
from prefect_parallel.output.part import PART_FORMAT, BrokenPart, Record, read_record
from prefect_parallel.output.returns import Returns

NOT_RUN = "did not run before"
FAILED = "failed before"
OTHER_SETTINGS = "ran with other code, arguments, inputs or another environment"
OTHER_DATA = "have other data"
BROKEN = "have a result that is damaged or of another version"
REASONS = (None, NOT_RUN, FAILED, OTHER_SETTINGS, OTHER_DATA, BROKEN)
"""Why a mini-batch runs; None: its part holds."""


@dataclass(frozen=True)
class StepPlan:
    """A step that is ready to run.

    Attributes:
        unit: What an item is: `files`, `rows` or `items`.
        config: What a node must know.
        notes: Remarks of the planner, one sentence each.
        planned: The number of mini-batches of the input.
        work: The selected mini-batches without a valid part.
        returns: What the mini-batches with one returned.
        reasons: Why they have none: reason -> number of mini-batches.
        left_out: The number of mini-batches without a valid part that are not selected.
        is_output_current: Whether the output of an earlier run still holds.
    """

    unit: str
    config: EntryConfig
    notes: tuple[str, ...]
    planned: int
    work: Work
    returns: Returns
    reasons: Counter[str]
    left_out: int
    is_output_current: bool
    _file: Path
    _is_to_do: bytearray

    @property
    def mini_batches(self) -> int:
        """The number of mini-batches in the output, including those that are done."""
        return self.planned - self.left_out

    def to_do(self) -> Iterator[MiniBatch]:
        """The mini-batches that are to run, read from the plan file one at a time."""
        with self._file.open("rb") as lines:
            for line in itertools.compress(lines, self._is_to_do):
                yield MiniBatch.from_json(json.loads(line)["mini_batch"])


def plan_step(step: ParallelStep, run: Run, slots: int) -> StepPlan:
    """Split the major input, take a snapshot of the code, compare with the parts of earlier runs.

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
    data.make_outputs()
    directory.parts.mkdir(parents=True, exist_ok=True)
    take_snapshot(step.code, directory.code, leave_out=run.directory.all_runs)
    return _step_plan(planned, _config(step, run, planned, slots), run, directory)


def _write_plan(
    planned: Plan, config: EntryConfig, run: Run, directory: StepDirectory
) -> tuple[bytearray, array[int], Returns]:
    """Write the plan file, and compare each mini-batch with the part it may have.

    Returns:
        For each mini-batch, of which there may be millions, the index in `REASONS` and the extent;
        and what those that need not run returned.
    """
    reasons, extents, returns = bytearray(), array("q"), Returns()
    with atomic_write(directory.plan) as file:
        for mini_batch in planned.mini_batches:
            if run.canceled.is_set():
                raise StepCanceled("the run was canceled")
            descriptor = mini_batch.to_text()
            data = of_text(descriptor)
            file.write(f'{{"fingerprint": "{data}", "mini_batch": {descriptor}}}\n'.encode())
            part = directory.part(mini_batch.index)
            record, reason = _part_of(part, data, config) if run.resumes else (None, NOT_RUN)
            if record is not None:
                returns.add(record)
            else:
                # It would be counted until the mini-batch has run.
                part.unlink(missing_ok=True)
            reasons.append(REASONS.index(reason))
            extents.append(mini_batch.extent)
    return reasons, extents, returns


def _step_plan(planned: Plan, config: EntryConfig, run: Run, directory: StepDirectory) -> StepPlan:
    """Write the plan file, and choose the mini-batches that are to run."""
    reasons, extents, returns = _write_plan(planned, config, run, directory)
    count = len(reasons)
    selected = run.selection.indexes(count)
    if not selected:
        raise InvalidInput(
            f"{run.selection} selects no mini-batch; there are {count:,}, with indexes from 0"
        )
    is_to_do = bytearray(reason > 0 and index in selected for index, reason in enumerate(reasons))
    to_do, missing = sum(is_to_do), count - reasons.count(0)
    return StepPlan(
        unit="rows" if planned.kind == "table" else planned.kind,
        config=config,
        notes=planned.notes,
        planned=count,
        work=Work(to_do, sum(itertools.compress(extents, is_to_do))),
        returns=returns,
        reasons=Counter(str(REASONS[each]) for each in itertools.compress(reasons, is_to_do)),
        left_out=missing - to_do,
        is_output_current=missing == 0 and not _delete_parts_from(directory, count),
        _file=directory.plan,
        _is_to_do=is_to_do,
    )


def _delete_parts_from(directory: StepDirectory, count: int) -> bool:
    """Delete the parts of mini-batches that the input no longer has; whether there were any."""
    stale = [part for part in directory.parts.glob("*.part") if int(part.stem) >= count]
    for part in stale:
        part.unlink()
    return bool(stale)


def _part_of(part: Path, data: str, config: EntryConfig) -> tuple[Record | None, str | None]:
    """The record of a part that holds for a mini-batch; or None and why there is none."""
    try:
        record = read_record(part)
    except BrokenPart:
        return None, BROKEN
    if record is None:
        return None, NOT_RUN
    if record.holds_for(data, config.fingerprint):
        return record, None
    if record.error is not None:
        return None, FAILED
    return None, OTHER_DATA if record.settings == config.fingerprint else OTHER_SETTINGS


def _config(step: ParallelStep, run: Run, planned: Plan, slots: int) -> EntryConfig:
    data = run.data_of(step)
    directory = data.directory
    output = aggregated_output(step, directory)
    environment = run.environments.of(step)
    values = data.values()
    arguments, of_step = step.arguments(values), step.variables(values)
    # A step of the "many models" kind stores its own output and returns [].
    many_models = step.partition_keys and output is None
    checks_item_count = step.check_item_count and not many_models
    nodes = run.computes.place_of(step).instances(step.instance_count)
    variables = azure_variables(
        run.directory.root.name, step.name, nodes=nodes, output=directory.outputs
    )
    return EntryConfig(
        step_directory=str(directory.root),
        code=str(directory.code),
        entry_script=step.entry_script,
        arguments=tuple(arguments),
        environment_variables=variables | of_step,
        environment_templates=step.environment_templates,
        environment=environment,
        image=run.environments.image_of(data),
        logging_level=step.logging_level,
        input_name=step.input_name,
        reader=planned.reader,
        datastores=run.datastores.to_json(),
        fetch=tuple(place.path for place in data.to_fetch()),
        output_file=None if output is None else output.name,
        delimiter=delimiter_of(step),
        checks_item_count=checks_item_count,
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
        fingerprint=of_json(
            {
                "code": _code_fingerprint(directory.code, step.entry_script),
                "entry_script": step.entry_script,
                "arguments": arguments,
                "environment_variables": of_step,
                "environment_templates": step.environment_templates,
                "environment": run.environments.key(step),
                "reader": planned.reader,
                "side_inputs": data.fingerprints(but=step.input_name),
                "format": None if output is None else type(format_for(output.name)).__name__,
                "header": step.append_row_dataframe_header,
                "delimiter": delimiter_of(step),
                "checks_item_count": checks_item_count,
                "part_format": PART_FORMAT,
            }
        ),
    )


def _code_fingerprint(code: Path, entry_script: str) -> str:
    if entry_script.endswith(FUNCTION_SUFFIX):
        return FunctionHeader.of(code / entry_script).fingerprint
    return of_code(code)
