"""Reports the progress and the result of a step to logs, observer, Prefect UI and MLflow."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone

from prefect.logging import get_run_logger

from prefect_parallel.errors import counted
from prefect_parallel.flow.nodes.progress import Progress
from prefect_parallel.flow.nodes.thresholds import Thresholds
from prefect_parallel.flow.run.run import Run
from prefect_parallel.flow.run.step_result import Failures, Place, StepResult
from prefect_parallel.flow.steps.artifacts import StepArtifacts
from prefect_parallel.flow.steps.metrics import log_to_mlflow, metrics_of
from prefect_parallel.flow.steps.result_page import result_page
from prefect_parallel.flow.steps.step_plan import StepPlan
from prefect_parallel.job import ParallelStep
from prefect_parallel.output.debug_command import debug_command
from prefect_parallel.output.job_report import write_job_report
from prefect_parallel.output.job_result import JobResult, Status
from prefect_parallel.output.part import Record
from prefect_parallel.output.step_logs import StepLogs
from prefect_parallel.output.totals import Totals, count, readable_records

LOG_SECONDS = 10.0
"""Minimum time between two lines about progress in the log of the flow run."""


class StepReporter:
    """The reporter of one run of one parallel step."""

    def __init__(self, step: ParallelStep, run: Run) -> None:
        self._step = step
        self._run = run
        self._data = run.data_of(step)
        self._directory = self._data.directory
        self._logs = StepLogs(self._directory, step.name)
        self._artifacts = StepArtifacts(run.pipeline, step)
        self._logger = get_run_logger()
        self._logged = time.monotonic()
        self._progress = Progress(0)
        self._reuse = ""
        self._started_at = datetime.now(timezone.utc)
        self._warnings: list[str] = []

    def begin(self) -> None:
        """Make the folder of logs.

        Raises:
            OSError: The folder cannot be written to.
        """
        self._logs.begin()

    def planned(self, plan: StepPlan, slots: str) -> Progress:
        """Report the plan and where it runs, e.g. `2 nodes x 4 slots`.

        Returns the counts of the step, to be updated from now on.
        """
        mini_batches = plan.mini_batches
        planned = f"planned {counted(mini_batches.in_output, 'mini-batch')} for {slots}"
        self._logs.job(planned)
        self._logger.info(planned)
        for note in plan.notes:
            self.noted(note)
        if self._run.resumes or self._run.earlier is not None:
            self._reuse = mini_batches.summary()
            self.noted(self._reuse)
        if mini_batches.left_out:
            self.warned(
                f"this is a trial: {mini_batches.left_out:,} of {mini_batches.planned:,}"
                f" mini-batches are left out ({self._run.selection}), and missing from the output;"
                " to run them, too, resume the run without that option"
            )
        self._progress = Progress(
            mini_batches.planned,
            plan.unit,
            reused=mini_batches.with_part,
            left_out=mini_batches.left_out,
        )
        self._run.observer.step_started(self._step.name, self._progress, slots)
        self._artifacts.show_settings()
        return self._progress

    def finishing(self, planned: int, mini_batches: int, unit: str) -> None:
        """Report that what workers have done is counted, and joined if it is all.

        Args:
            planned: Number of mini-batches of the input.
            mini_batches: Number of those that are to have a part.
        """
        left_out = planned - mini_batches
        self._progress = Progress(planned, unit, reused=mini_batches, left_out=left_out)
        self._run.observer.step_started(self._step.name, self._progress, "workers")
        self._artifacts.show_settings()

    def noted(self, text: str) -> None:
        """Report a remark, e.g. that there are fewer nodes than asked for."""
        self._logs.job(text)
        self._logger.info(text)
        self._run.observer.noted(self._step.name, text)

    def warned(self, text: str) -> None:
        """Report that the step does not run as it was meant to; its result says so, too."""
        self._warnings.append(text)
        self._logs.job(f"warning: {text}")
        self._logger.warning(text)
        self._run.observer.warned(f"{self._step.name}: {text}")

    def waiting(self, what: str) -> None:
        self._run.observer.waiting(f"{self._step.name}: {what}")

    def progressed(self) -> None:
        """Report how far the step is."""
        self._run.observer.step_progressed(self._step.name, self._progress)
        self._logs.progress(str(self._progress))
        now = time.monotonic()
        if now - self._logged >= LOG_SECONDS:
            self._logged = now
            self._logger.info(str(self._progress))
        self._artifacts.show_progress(self._progress)

    def joining(self, text: str) -> None:
        """Report how far the joining of parts is, e.g. `joining parts 300/1,500`."""
        self._run.observer.step_joining(self._step.name, text)

    def completed(self, totals: Totals) -> StepResult:
        if totals.fine_size is not None:
            many = counted(totals.only_together, "mini-batch")
            self.warned(
                f"{many} failed with items that succeeded when they were fewer: at most"
                f" {counted(totals.fine_size, self._item)} in a mini-batch would have worked"
            )
        return self._end("Completed", _completed(totals), totals)

    def stopped(self, status: Status, reason: str) -> StepResult:
        """Report that the step was canceled or failed."""
        return self._end(
            status, reason, count(readable_records(self._directory, self._progress.planned))
        )

    def broke_off(self, error: Exception) -> StepResult:
        """Report an unexpected exception, with its traceback in the step's log."""
        self._logs.job("".join(traceback.format_exception(error)).rstrip())
        log = self._run.place_of(self._directory.job_log)
        reason = f"internal error: {type(error).__name__}: {error} (full traceback: {log})"
        return self.stopped("Failed", reason)

    def _end(self, status: Status, reason: str, totals: Totals) -> StepResult:
        self._progress.settle(done=totals.mini_batches, failed=totals.failed)
        has_output = status == "Completed" and self._step.append_row_to is not None
        result = JobResult.of(
            status=status,
            reason=reason if status == "Canceled" else reason + self._first_failure(totals),
            mini_batches=self._progress.mini_batches,
            totals=totals,
            reused=self._progress.reused,
            reuse=self._reuse,
            warnings=self._warnings,
            thresholds=Thresholds.of(self._step).to_json(),
            started_at=self._started_at,
            ended_at=datetime.now(timezone.utc),
            output=self._run.output_of(self._step) if has_output else None,
            logs=self._run.place_of(self._directory.logs),
        )
        failures = self._failures(totals)
        metrics = metrics_of(result, self._step.metrics_name_prefix)
        try:
            self._log_to_mlflow(metrics)
            self._write(result, totals)
            self._artifacts.show_progress(self._progress, last=True)
            items = self._failed_items(totals)
            page = result_page(result, totals, failures, items, self._directory.job_result)
        except OSError as error:
            reason = f"{reason}; and its logs cannot be written: {error}"
            return self._run.step_result(self._step, "Failed", reason, log=None)
        return replace(
            self._run.step_result(self._step, status, result.reason, self._directory.job_result),
            summary=reason,
            mini_batches=result.mini_batches,
            items=result.items,
            missing=self._missing(result),
            failures=failures,
            page=page,
            metrics=metrics,
        )

    def _log_to_mlflow(self, metrics: Mapping[str, float]) -> None:
        problem = log_to_mlflow(f"{self._run.directory.root.name}/{self._step.name}", metrics)
        if problem is not None:
            self._logs.job(problem)

    def _write(self, result: JobResult, totals: Totals) -> None:
        self._logs.progress(str(self._progress), last=True)
        looked_at = self._progress.planned if totals.failed else 0
        self._logs.failed_mini_batches(
            readable_records(self._directory, looked_at), self._debug_command
        )
        if self._step.isolate_failed_items:
            self._logs.failed_items(
                readable_records(self._directory, looked_at), self._debug_command
            )
        for column, values in totals.values_set_to_null.items():
            many = counted(values, "value")
            self.noted(f"column {column}: {many} that did not fit its type became null")
        if totals.uneven_rows:
            rows = counted(totals.uneven_rows, "row")
            self.noted(
                f"{rows} with fewer or more cells than the header,"
                f" the first: {totals.first_uneven_row}"
            )
        for column, values in totals.written_as_null.items():
            many = counted(values, "returned value")
            self.noted(f"column {column}: {many} that the output's format lacks became null")
        self._logs.job(f"{result.status}: {result.reason}")
        result.write(self._directory.job_result)
        self._logs.job_error(result.reason if result.status == "Failed" else None)
        write_job_report(self._directory)
        self._logs.close()
        if self._step.copy_logs_to_parent:
            copy = self._run.directory.logs / self._step.name
            shutil.copytree(self._directory.logs, copy, dirs_exist_ok=True)

    def _failures(self, totals: Totals) -> tuple[Failures, ...]:
        return tuple(
            Failures(
                count,
                record.error or "",
                self._traceback_of(record),
                self._debug_command(record.index, _failed_item(record)),
            )
            for cause, count in totals.causes.most_common()
            for record in [totals.examples[cause]]
        )

    def _failed_items(self, totals: Totals) -> tuple[Failures, ...]:
        """Items that were isolated, by cause."""
        found = []
        for cause, many in totals.item_causes.most_common():
            index, example = totals.item_examples[cause]
            repeat = self._debug_command(index, example.start)
            found.append(Failures(many, example.error, None, repeat))
        return tuple(found)

    def _missing(self, result: JobResult) -> str:
        """E.g. `3 of 20 files are missing from the output`, if the step completed without them."""
        failed, total = result.items["failed"], result.items["total"]
        if result.status != "Completed" or not failed:
            return ""
        unit = self._progress.unit if total > 1 else self._item
        what = "missing from the output" if result.output else "not processed"
        return f"{failed:,} of {total:,} {unit} {'is' if failed == 1 else 'are'} {what}"

    @property
    def _item(self) -> str:
        """What an item is: `file`, `row` or `item`."""
        return self._progress.unit.removesuffix("s")

    def _first_failure(self, totals: Totals) -> str:
        """The end of a reason: the error of the first failed mini-batch, if there is one."""
        first = totals.first_failure
        error = self._progress.first_error if first is None else first.error
        if error is None:
            return ""
        log = None if first is None else self._traceback_of(first)
        return f"; the first failure: {error}" + (f" (full traceback: {log})" if log else "")

    def _traceback_of(self, record: Record) -> Place | None:
        """The log with a traceback; None if it is gone, e.g. with the node that had it."""
        if record.traceback_file is None:
            return None
        log = self._directory.root / record.traceback_file
        return self._run.place_of(log) if log.exists() else None

    def _debug_command(self, mini_batch: int, item: int | None = None) -> str:
        datastores = self._run.datastores.file
        return debug_command(self._run.directory, self._step.name, mini_batch, datastores, item)


def _failed_item(record: Record) -> int | None:
    """The first item that failed alone, if it is known."""
    return record.isolated.failed[0].start if record.isolated and record.isolated.failed else None


def _completed(totals: Totals) -> str:
    if totals.failed == 0:
        return f"{totals.mini_batches:,} of {counted(totals.mini_batches, 'mini-batch')} succeeded"
    return (
        f"{totals.failed:,} of {counted(totals.mini_batches, 'mini-batch')} failed and"
        f" {'was' if totals.failed == 1 else 'were'} ignored, within the thresholds"
    )
