"""What a parallel step is about to do: its mini-batches, its settings, and what is done already."""

from __future__ import annotations

import shutil
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prefect_parallel.data import MiniBatch, Plan
from prefect_parallel.entry.config import EntryConfig
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.run.major_input import major_input, split_input
from prefect_parallel.flow.run.run import Run
from prefect_parallel.flow.run.step_data import aggregated_output
from prefect_parallel.flow.steps.groups import Work
from prefect_parallel.flow.steps.snapshot import take_snapshot
from prefect_parallel.job import ParallelStep
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.fingerprint import of_code, of_json
from prefect_parallel.output.formats import format_for
from prefect_parallel.output.part import read_record

NOT_RUN = "did not run before"


class InputChanged(PrefectParallelError):
    """Files came, went or changed while a step ran."""


@dataclass(frozen=True)
class StepPlan:
    """A step that is ready to run.

    Attributes:
        unit: What an item is: `files` or `rows`.
        mini_batches: How many there are.
        config: What a node must know.
        notes: What planning has to tell.
        work: Of those that have no part that still holds.
        reasons: Why not: reason -> how many.
    """

    unit: str
    mini_batches: int
    config: EntryConfig
    notes: tuple[str, ...]
    work: Work
    reasons: Counter[str]
    _all: Iterable[MiniBatch]
    _is_to_do: bytearray
    _checksum: int

    def to_do(self) -> Iterator[MiniBatch]:
        """Those mini-batches that have no part that still holds, made while they are iterated.

        Raises:
            InputChanged: What was made differs from what was planned.
        """
        checksum, count = 0, 0
        for mini_batch in self._all:
            checksum = _add(checksum, mini_batch)
            if count < self.mini_batches and self._is_to_do[count]:
                yield mini_batch
            count += 1
        if (count, checksum) != (self.mini_batches, self._checksum):
            raise InputChanged(
                f"the input has changed since it was planned: then {self.mini_batches}"
                f" mini-batches, now {count}, or other data; go on with --resume when it is whole"
            )


def plan_step(step: ParallelStep, run: Run, slots: int) -> StepPlan:
    """Split the major input, take the snapshot of the code, see what an earlier run left.

    Raises:
        InvalidInput: The input cannot be split.
    """
    data = run.data_of(step)
    directory = data.directory
    location = data.location(major_input(step))
    planned = split_input(step, location, run.datastores, work_folder=str(directory.grouped))
    # What a run that was killed has left may be of another version.
    shutil.rmtree(directory.fetched, ignore_errors=True)
    data.make_outputs()
    directory.parts.mkdir(parents=True, exist_ok=True)
    take_snapshot(step.code, directory.code, leave_out=run.directory.all_runs)
    return _compare(planned, _config(step, run, planned, slots), directory, resumes=run.resumes)


def _compare(
    planned: Plan, config: EntryConfig, directory: StepDirectory, *, resumes: bool
) -> StepPlan:
    """See what of the plan an earlier run has done."""
    work = Work()
    reasons: Counter[str] = Counter()
    is_to_do = bytearray()
    checksum = 0
    for mini_batch in planned.mini_batches:
        checksum = _add(checksum, mini_batch)
        reason = _reason_to_run(mini_batch, config, directory) if resumes else NOT_RUN
        is_to_do.append(reason is not None)
        if reason is not None:
            work.add(mini_batch)
            reasons[reason] += 1
    return StepPlan(
        "files" if planned.kind == "files" else "rows",
        len(is_to_do),
        config,
        planned.notes,
        work,
        reasons,
        planned.mini_batches,
        is_to_do,
        checksum,
    )


def _add(checksum: int, mini_batch: MiniBatch) -> int:
    return zlib.crc32(repr(mini_batch).encode(errors="surrogateescape"), checksum)


def _reason_to_run(
    mini_batch: MiniBatch, config: EntryConfig, directory: StepDirectory
) -> str | None:
    if config.committed(mini_batch):
        return None
    part = directory.part(mini_batch.index)
    record = read_record(part)
    if record is None:
        return NOT_RUN
    # It would be counted until the mini-batch has run.
    part.unlink()
    if record.error is not None:
        return "failed before"
    if record.settings != config.fingerprint:
        return "ran with other code, arguments, inputs or another environment"
    return "have other data"


def _config(step: ParallelStep, run: Run, planned: Plan, slots: int) -> EntryConfig:
    data = run.data_of(step)
    directory = data.directory
    output = aggregated_output(step, directory)
    environment = run.environments.of(step)
    arguments = step.arguments(data.values())
    # A step of the "many models" kind stores its own output and returns [].
    checks_item_count = not (step.partition_keys and output is None)
    return EntryConfig(
        step_directory=str(directory.root),
        code=str(directory.code),
        entry_script=step.entry_script,
        arguments=tuple(arguments),
        environment_variables=step.environment_variables,
        environment_templates=step.environment_templates,
        environment=environment,
        logging_level=step.logging_level,
        input_name=step.input_name,
        reader=planned.reader,
        datastores=run.datastores.to_json(),
        fetch=tuple(place.path for place in data.to_fetch()),
        output_file=None if output is None else output.name,
        checks_item_count=checks_item_count,
        slots=slots,
        gpus=run.computes.place_of(step).gpus_per_instance,
        timeout=step.timeout,
        task_overhead_timeout=step.task_overhead_timeout,
        first_task_creation_timeout=step.first_task_creation_timeout,
        resource_monitor_interval=step.resource_monitor_interval,
        profiles=step.profiling_module is not None,
        fingerprint=of_json(
            {
                "code": of_code(directory.code),
                "entry_script": step.entry_script,
                "arguments": arguments,
                "environment_variables": step.environment_variables,
                "environment_templates": step.environment_templates,
                "environment": environment and environment.key,
                "reader": planned.reader,
                "side_inputs": data.fingerprints(but=step.input_name),
                "format": None if output is None else type(format_for(output.name)).__name__,
                "checks_item_count": checks_item_count,
            }
        ),
    )
