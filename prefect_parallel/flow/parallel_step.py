"""The life of a parallel step: plan, map over mini-batches, watch, aggregate, result."""

from __future__ import annotations

import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.flows import Flow

from prefect_parallel.entry.gpus import default_slots
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.artifacts import StepArtifacts
from prefect_parallel.flow.cluster import task_runner_on
from prefect_parallel.flow.elsewhere import Elsewhere
from prefect_parallel.flow.groups import groups
from prefect_parallel.flow.membership import Wanted
from prefect_parallel.flow.metrics import log_to_mlflow, metrics_of, show_metrics
from prefect_parallel.flow.news import CANNOT_WRITE
from prefect_parallel.flow.nodes import assemble_nodes, open_nodes
from prefect_parallel.flow.progress import Progress
from prefect_parallel.flow.result_page import result_page
from prefect_parallel.flow.run import Run
from prefect_parallel.flow.step_end import Failures, StepEnd
from prefect_parallel.flow.step_plan import StepPlan, limits_of, plan_step
from prefect_parallel.flow.task_runner import NodeTaskRunner
from prefect_parallel.flow.thresholds import Thresholds
from prefect_parallel.flow.watch import StepCanceled, Watch, refuse_failed_totals
from prefect_parallel.job import ParallelStep
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.aggregate import Totals, aggregate, count, records
from prefect_parallel.output.debug_command import debug_command
from prefect_parallel.output.formats import format_for
from prefect_parallel.output.job_result import JobResult, Status
from prefect_parallel.output.step_logs import StepLogs

CANCEL_GRACE_SECONDS = 5.0
"""What running mini-batches get to come to their end when a run is canceled."""


def parallel_step_flow(step: ParallelStep, run: Run) -> Flow[[], None]:
    """The flow that runs one parallel step, on a task runner of its own.

    Raises:
        NoCluster: The class of its cluster is not installed.
    """
    compute = run.computes.place_of(step)
    nodes = compute.instances(step.instance_count)
    slots = step.max_concurrency_per_instance or default_slots(compute.gpus_per_instance)
    if compute.is_this_machine:
        runner = NodeTaskRunner.local(nodes=nodes, slots=slots)
    else:
        wanted = Wanted(nodes, step.max_concurrency_per_instance, compute.gpus_per_instance)
        runner = task_runner_on(compute, wanted)

    def run_step() -> Any:
        end = _ParallelStep(step, run.for_step(step), nodes, slots).run()
        return run.end_step(step.name, end)

    return Flow(
        run_step,
        name=step.name,
        description=step.description,
        flow_run_name=step.name,
        # A TaskRunner like any other, but that class is generic and prefect-dask's is not.
        task_runner=runner,  # type: ignore[arg-type]
        validate_parameters=False,
        persist_result=False,
    )


class _ParallelStep:
    """One run of one parallel step."""

    def __init__(self, step: ParallelStep, run: Run, nodes: int, slots: int) -> None:
        self._step = step
        self._run = run
        self._nodes = nodes
        self._slots = slots
        self._directory: StepDirectory = run.directory.step(step.name)
        self._output = run.aggregated_output(step)
        self._thresholds = Thresholds(
            mini_batch_error_threshold=step.mini_batch_error_threshold,
            error_threshold=step.predefined.error_threshold,
            allowed_failed_percent=step.predefined.allowed_failed_percent,
        )
        self._elsewhere = Elsewhere(step, run)
        self._artifacts = StepArtifacts(step)
        self._progress = Progress(0)
        self._started_at = datetime.now(timezone.utc)

    def run(self) -> StepEnd:
        try:
            self._logs = StepLogs(self._directory, self._step.name)
            self._elsewhere.resume()
            plan = plan_step(self._step, self._run, self._slots)
            self._announce(plan)
            self._artifacts.show_settings()
            if plan.work.mini_batches:
                self._discard_output()
                try:
                    self._map(plan)
                finally:
                    self._elsewhere.collect()
            totals = count(self._directory, self._progress.mini_batches)
            refuse_failed_totals(self._thresholds, totals, self._progress.mini_batches)
            self._aggregate()
            return self._end("Completed", _completed(totals), totals)
        except StepCanceled as error:
            return self._end("Canceled", str(error))
        except PrefectParallelError as error:
            return self._end("Failed", str(error))
        except OSError as error:
            return self._end("Failed", f"{CANNOT_WRITE}: {error}")
        finally:
            shutil.rmtree(self._directory.fetched, ignore_errors=True)

    def _announce(self, plan: StepPlan) -> None:
        """Say what is planned, and how much of it an earlier run has done."""
        total = plan.mini_batches
        reused = total - plan.work.mini_batches
        nodes = f"{self._nodes} nodes x {self._slots} slots"
        notes = [f"planned {total} mini-batches for {nodes}", *plan.notes]
        if self._run.resumes:
            why = ", ".join(f"{count} {reason}" for reason, count in plan.reasons.items())
            notes.append(f"{reused} of {total} mini-batches are reused" + (why and f"; {why}"))
            self._run.observer.noted(self._step.name, notes[-1])
        for note in notes:
            self._logs.job(note)
        self._progress = Progress(total, plan.unit, reused=reused)
        self._run.observer.step_started(self._step.name, self._progress, nodes)

    def _map(self, plan: StepPlan) -> None:
        limits = limits_of(self._step)
        self._run.observer.waiting(f"{self._step.name}: the Dask cluster")
        place = self._elsewhere.prepare()
        fewer = assemble_nodes(limits.first_task_creation_timeout, self._run.canceled)
        if fewer is not None:
            self._run.observer.noted(self._step.name, fewer)
            self._logs.job(fewer)
        watch = Watch(self._progress, self._thresholds, limits, self._run.canceled)
        with open_nodes(plan.config, place, watch.happenings, wanted=self._nodes) as nodes:
            slots = self._nodes * self._slots
            task_runs = nodes.task_runs(
                groups(plan.to_do(), plan.work, self._run.max_task_runs, slots=slots),
                slots=slots,
                retries=self._step.max_retries,
            )
            try:
                watch.until_done(task_runs, self._show)
            except StepCanceled:
                nodes.close(grace=CANCEL_GRACE_SECONDS)
                raise
            finally:
                self._run.observer.waiting(f"{self._step.name}: shutdown() of the entry processes")

    def _show(self) -> None:
        self._run.observer.step_progressed(self._step.name, self._progress)
        self._logs.progress(str(self._progress))
        self._artifacts.show_progress(self._progress)

    def _discard_output(self) -> None:
        """An aggregated output of an earlier run must not stand for this one."""
        if self._output is not None:
            self._output.unlink(missing_ok=True)

    def _aggregate(self) -> None:
        if self._output is not None and not self._output.exists():
            aggregate_output(
                self._directory,
                self._progress.mini_batches,
                self._output,
                header=self._step.predefined.append_row_dataframe_header,
            )

    def _end(self, status: Status, reason: str, totals: Totals | None = None) -> StepEnd:
        mini_batches = self._progress.mini_batches
        totals = totals or count(self._directory, mini_batches)
        self._progress.settle(done=totals.mini_batches, failed=totals.failed)
        result = JobResult.of(
            status=status,
            reason=_with_traceback_file(reason, totals),
            mini_batches=mini_batches,
            totals=totals,
            thresholds=self._thresholds.to_json(),
            started_at=self._started_at,
            ended_at=datetime.now(timezone.utc),
            output=self._output if status == "Completed" else None,
            logs=self._directory.logs,
        )
        try:
            self._write(result, totals)
        except OSError as error:
            reason = f"{result.reason}; and its logs cannot be written: {error}"
            return StepEnd("Failed", reason, output=None, log=None)
        output = self._output or self._run.outputs_folder(self._step)
        metrics = self._tell_metrics(result)
        return StepEnd(
            status,
            result.reason,
            output if status == "Completed" else None,
            self._directory.job_result,
            self._failures(totals),
            metrics if self._step.predefined.push_metrics_to_parent else {},
        )

    def _tell_metrics(self, result: JobResult) -> dict[str, float]:
        metrics = metrics_of(result, self._step.predefined.metrics_name_prefix)
        show_metrics(self._step.name, metrics)
        problem = log_to_mlflow(f"{self._run.directory.root.name}/{self._step.name}", metrics)
        if problem is not None:
            self._logs.job(problem)
        return metrics

    def _failures(self, totals: Totals) -> tuple[Failures, ...]:
        return tuple(
            Failures(
                cause,
                count,
                totals.examples[cause].error or "",
                self._debug_command(totals.examples[cause].index),
            )
            for cause, count in totals.causes.most_common()
        )

    def _debug_command(self, mini_batch: int) -> str:
        datastores = self._run.datastores.file
        return debug_command(self._run.directory, self._step.name, mini_batch, datastores)

    def _write(self, result: JobResult, totals: Totals) -> None:
        self._logs.progress(str(self._progress), last=True)
        any_failed = totals.failed > 0
        looked_at = records(self._directory, self._progress.mini_batches) if any_failed else ()
        self._logs.failed_mini_batches(looked_at, self._debug_command)
        for column, values in totals.values_set_to_null.items():
            self._logs.job(f"column {column}: {values} values did not fit its type and became null")
        self._logs.job(f"{result.status}: {result.reason}")
        result.write(self._directory.job_result)
        self._logs.close()
        self._artifacts.show_progress(self._progress, last=True)
        page = result_page(result, totals, self._failures(totals), self._directory.job_result)
        self._artifacts.show_result(page)
        if self._step.predefined.copy_logs_to_parent:
            copy = self._run.directory.logs / self._step.name
            shutil.copytree(self._directory.logs, copy, dirs_exist_ok=True)


@task(name="aggregate", task_run_name="aggregate", cache_policy=NO_CACHE, persist_result=False)
def aggregate_output(
    directory: StepDirectory, mini_batches: int, target: Path, *, header: bool
) -> None:
    """Join the parts of a step into its aggregated output."""
    aggregate(directory, mini_batches, target, format_for(target.name), header=header)


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
    if first is None or first.traceback_file is None or "full traceback" in reason:
        return reason
    return f"{reason} (full traceback: {first.traceback_file})"
