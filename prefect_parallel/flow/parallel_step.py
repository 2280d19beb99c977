"""The life of a parallel step: plan, map over mini-batches, watch, aggregate, result."""

from __future__ import annotations

import os
import queue
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import distributed
from prefect import task, unmapped
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.flows import Flow
from prefect.futures import PrefectFuture
from prefect_dask.task_runners import PrefectDaskFuture

from prefect_parallel.data import ByKeys, BySize, MiniBatch, Plan, plan
from prefect_parallel.entry.config import EntryConfig
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.node import MiniBatchFailed, NodePlugin, process_mini_batches
from prefect_parallel.flow.progress import AttemptEvent, Progress, StepEnd
from prefect_parallel.flow.run import Run
from prefect_parallel.flow.snapshot import take_snapshot
from prefect_parallel.flow.task_runner import NodeTaskRunner
from prefect_parallel.flow.thresholds import Thresholds
from prefect_parallel.job import Data, OutputOf, ParallelStep
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.aggregate import Totals, aggregate, count, records
from prefect_parallel.output.formats import format_for
from prefect_parallel.output.job_result import JobResult, Status
from prefect_parallel.output.step_logs import StepLogs

MAX_TASK_RUNS = 1000
"""Up to so many mini-batches are task runs of their own; above, neighbours share one."""

WATCH_SECONDS = 0.5
"""How long a step may look unchanged to its observer."""


class StepFailed(PrefectParallelError):
    """A step has failed; the text says why."""


class StepCanceled(PrefectParallelError):
    """A step was stopped from outside."""


def parallel_step_flow(step: ParallelStep, run: Run) -> Flow[[], None]:
    """The flow that runs one parallel step, on a task runner of its own."""
    slots = step.max_concurrency_per_instance or os.cpu_count() or 1

    def run_step() -> Any:
        return run.end_step(step.name, _ParallelStep(step, run, slots).run())

    return Flow(
        run_step,
        name=step.name,
        flow_run_name=step.name,
        # A TaskRunner like any other, but that class is generic and prefect-dask's is not.
        task_runner=NodeTaskRunner.local(nodes=step.instance_count, slots=slots),  # type: ignore[arg-type]
        validate_parameters=False,
        persist_result=False,
    )


class _ParallelStep:
    """One run of one parallel step."""

    def __init__(self, step: ParallelStep, run: Run, slots: int) -> None:
        self._step = step
        self._run = run
        self._slots = slots
        self._directory: StepDirectory = run.directory.step(step.name)
        self._logs = StepLogs(self._directory, step.name)
        self._output = run.aggregated_output(step)
        self._thresholds = Thresholds(
            mini_batch_error_threshold=step.mini_batch_error_threshold,
            error_threshold=step.predefined.error_threshold,
            allowed_failed_percent=step.predefined.allowed_failed_percent,
        )
        self._progress = Progress(0)
        self._started_at = datetime.now(timezone.utc)

    def run(self) -> StepEnd:
        try:
            planned = self._plan()
            self._map(planned)
            totals = count(self._directory, self._progress.mini_batches)
            self._refuse_failed(totals)
            self._aggregate()
        except StepCanceled as error:
            return self._end("Canceled", str(error))
        except PrefectParallelError as error:
            return self._end("Failed", str(error))
        return self._end("Completed", _completed(totals))

    def _plan(self) -> Plan:
        step = self._step
        source = step.inputs[step.input_name]
        assert isinstance(source, (Data, OutputOf)), "checked when the job was resolved"
        split = ByKeys(step.partition_keys) if step.partition_keys else BySize(step.mini_batch_size)
        planned = plan(
            self._run.location(source),
            type=source.type,
            mode=source.mode,
            split=split,
            work_folder=str(self._directory.grouped),
        )
        self._run.make_outputs(step)
        self._directory.parts.mkdir(parents=True, exist_ok=True)
        take_snapshot(step.code, self._directory.code, run_directory=self._run.directory.root)
        return planned

    def _map(self, planned: Plan) -> None:
        mini_batches = list(planned.mini_batches)
        self._progress = Progress(len(mini_batches), "files" if planned.kind == "files" else "rows")
        nodes = f"{self._step.instance_count} nodes x {self._slots} slots"
        self._logs.job(f"planned {len(mini_batches)} mini-batches for {nodes}")
        for note in planned.notes:
            self._logs.job(note)
        self._run.observer.step_started(self._step.name, self._progress, nodes)
        happenings: queue.SimpleQueue[AttemptEvent | PrefectFuture[Any]] = queue.SimpleQueue()
        with self._nodes(self._entry_config(planned), happenings) as key:
            mapped = process_mini_batches.with_options(retries=self._step.max_retries)
            futures = cast(
                list[PrefectDaskFuture[int]], mapped.map(unmapped(key), _groups(mini_batches))
            )
            for future in futures:
                future.wrapped_future.add_done_callback(lambda _, it=future: happenings.put(it))
            try:
                self._watch(happenings, len(futures))
            finally:
                _client().cancel([future.wrapped_future for future in futures])

    def _watch(
        self, happenings: queue.SimpleQueue[AttemptEvent | PrefectFuture[Any]], running: int
    ) -> None:
        """Wait until nothing runs any more.

        Raises:
            StepFailed: The step has failed for certain; some work may still run.
            StepCanceled: So may it here.
        """
        while running:
            try:
                happened = happenings.get(timeout=WATCH_SECONDS)
            except queue.Empty:
                happened = None
            if isinstance(happened, AttemptEvent):
                self._note(happened)
            elif happened is not None:
                running -= 1
                _refuse_broken(happened)
            self._run.observer.step_progressed(self._step.name, self._progress)
            if self._run.canceled.is_set():
                raise StepCanceled("the run was canceled")

    def _note(self, event: AttemptEvent) -> None:
        progress = self._progress
        progress.add(event)
        self._logs.progress(
            f"{progress.done} of {progress.mini_batches} mini-batches done,"
            f" {progress.failed} failed"
        )
        passed = self._thresholds.exceeded(
            failed=progress.failed,
            failed_items=progress.failed_items,
            mini_batches=progress.mini_batches,
        )
        if passed:
            raise StepFailed(f"{passed}; the first failed with {progress.first_error}")

    def _refuse_failed(self, totals: Totals) -> None:
        """Raise StepFailed if the final counts pass a threshold: events may have been late."""
        passed = self._thresholds.exceeded(
            failed=totals.failed,
            failed_items=totals.failed_items,
            mini_batches=self._progress.mini_batches,
        )
        if passed and totals.first_failure:
            raise StepFailed(f"{passed}; the first failed with {totals.first_failure.error}")

    def _aggregate(self) -> None:
        if self._output is not None:
            aggregate_output.submit(
                self._directory,
                self._progress.mini_batches,
                self._output,
                header=self._step.predefined.append_row_dataframe_header,
            ).result()

    def _end(self, status: Status, reason: str) -> StepEnd:
        count_planned = self._progress.mini_batches
        totals = count(self._directory, count_planned)
        result = JobResult.of(
            status=status,
            reason=_with_traceback_file(reason, totals),
            mini_batches=count_planned,
            totals=totals,
            thresholds=self._thresholds.to_json(),
            started_at=self._started_at,
            ended_at=datetime.now(timezone.utc),
            output=self._output if status == "Completed" else None,
            logs=self._directory.logs,
        )
        self._logs.failed_mini_batches(records(self._directory, count_planned))
        for column, values in totals.values_set_to_null.items():
            self._logs.job(f"column {column}: {values} values did not fit its type and became null")
        self._logs.job(f"{status}: {reason}")
        result.write(self._directory.job_result)
        if self._step.predefined.copy_logs_to_parent:
            copy = self._run.directory.logs / self._step.name
            shutil.copytree(self._directory.logs, copy, dirs_exist_ok=True)
        output = self._output or self._run.outputs_folder(self._step)
        return StepEnd(
            status,
            result.reason,
            output if status == "Completed" else None,
            self._directory.job_result,
        )

    def _entry_config(self, planned: Plan) -> EntryConfig:
        step = self._step
        return EntryConfig(
            step_directory=str(self._directory.root),
            code=str(self._directory.code),
            entry_script=step.entry_script,
            arguments=tuple(step.arguments(self._run.values(step))),
            environment_variables=step.environment_variables,
            logging_level=step.logging_level,
            input_name=step.input_name,
            reader=planned.reader,
            output_file=None if self._output is None else self._output.name,
            # A step of the "many models" kind stores its own output and returns [].
            held_to_count=not (step.partition_keys and self._output is None),
            slots=self._slots,
            timeout=step.timeout,
            task_overhead_timeout=step.predefined.task_overhead_timeout,
            first_task_creation_timeout=step.predefined.first_task_creation_timeout,
        )

    @contextmanager
    def _nodes(self, config: EntryConfig, happenings: queue.SimpleQueue[Any]) -> Iterator[str]:
        """Nodes that are ready for mini-batches, and tell of them; gives the plugin's key."""
        key = f"prefect-parallel-{self._step.name}-{uuid4().hex}"
        self._run.observer.waiting(f"{self._step.name}: the Dask cluster")
        client = _client()

        def note(event: tuple[float, dict[str, Any]]) -> None:
            happenings.put(AttemptEvent(**event[1]["attempt"]))

        client.subscribe_topic(key, note)
        client.register_plugin(NodePlugin(config, key))
        try:
            yield key
        finally:
            self._run.observer.waiting(f"{self._step.name}: shutdown() of the entry processes")
            client.unregister_worker_plugin(key)
            client.unsubscribe_topic(key)


@task(name="aggregate", task_run_name="aggregate", cache_policy=NO_CACHE, persist_result=False)
def aggregate_output(
    directory: StepDirectory, mini_batches: int, target: Path, *, header: bool
) -> None:
    """Join the parts of a step into its aggregated output."""
    aggregate(directory, mini_batches, target, format_for(target.name), header=header)


def _client() -> distributed.Client:
    """The one of the running step's task runner."""
    context = FlowRunContext.get()
    assert context is not None
    assert isinstance(context.task_runner, NodeTaskRunner)
    return context.task_runner.client


def _groups(mini_batches: Sequence[MiniBatch]) -> list[list[dict[str, Any]]]:
    """Neighbouring mini-batches, in at most `MAX_TASK_RUNS` groups of about the same size."""
    size = -(-len(mini_batches) // MAX_TASK_RUNS)
    return [
        [mini_batch.to_json() for mini_batch in mini_batches[start : start + size]]
        for start in range(0, len(mini_batches), size)
    ]


def _refuse_broken(future: PrefectFuture[Any]) -> None:
    """Raise StepFailed for a task run that ended with anything but failed mini-batches."""
    error = future.result(raise_on_failure=False)
    if isinstance(error, Exception) and not isinstance(error, MiniBatchFailed):
        raise StepFailed(str(error)) from error


def _completed(totals: Totals) -> str:
    if totals.failed == 0:
        return f"{totals.mini_batches} of {totals.mini_batches} mini-batches succeeded"
    text = (
        f"{totals.failed} of {totals.mini_batches} mini-batches failed and were ignored,"
        " within the thresholds"
    )
    first = totals.first_failure
    return text if first is None else f"{text}; the first failed with {first.error}"


def _with_traceback_file(reason: str, totals: Totals) -> str:
    first = totals.first_failure
    if first is None or first.traceback_file is None:
        return reason
    return f"{reason} (full traceback: {first.traceback_file})"
