"""One run of a parallel step, wherever its mini-batches run: work, count, aggregate, report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import Pause

from prefect_parallel.entry.output_dir import the_only_output
from prefect_parallel.errors import PrefectParallelError, os_error_text
from prefect_parallel.flow.nodes.step_monitor import StepCanceled, check_totals
from prefect_parallel.flow.nodes.thresholds import Thresholds
from prefect_parallel.flow.run.cancellation import SUSPENDED
from prefect_parallel.flow.run.run import Run
from prefect_parallel.flow.run.step_data import (
    aggregated_output,
    delimiter_of,
    folder_outputs,
    output_name_of,
)
from prefect_parallel.flow.run.step_result import StepResult
from prefect_parallel.flow.steps.step_reporter import StepReporter
from prefect_parallel.job import ParallelStep
from prefect_parallel.output.aggregate import aggregate
from prefect_parallel.output.formats import OutputFormat, Parts, format_for
from prefect_parallel.output.output_files import OutputFiles
from prefect_parallel.output.returns import Returns
from prefect_parallel.output.totals import Totals, count, records


class StepPrepared(PrefectParallelError):
    """A step waits for workers; the message says for how many mini-batches."""


class StepRun(ABC):
    """One run of one parallel step."""

    def __init__(self, step: ParallelStep, run: Run) -> None:
        self._step = step
        self._run = run
        self._directory = run.directory.step(step.name)
        self._output = aggregated_output(step, self._directory)
        self._thresholds = Thresholds.of(step)
        self._reporter = StepReporter(step, run)
        self._canceled = run.cancellation.of(step.name)

    def run(self) -> StepResult:
        try:
            self._reporter.begin()
            return self._work()
        except StepPrepared as waiting:
            return self._reporter.stopped("Prepared", str(waiting))
        except (StepCanceled, Pause):
            # Prefect raises Pause wherever it notices that the run was suspended.
            reason = self._run.cancellation.reason(self._step.name)
            return self._reporter.stopped("Canceled", reason or SUSPENDED)
        except PrefectParallelError as error:
            return self._reporter.stopped("Failed", str(error))
        except OSError as error:
            return self._reporter.stopped("Failed", os_error_text(error, self._run.directory.root))
        except Exception as error:
            # A defect of this package; the step's result says it all the same.
            return self._reporter.broke_off(error)

    @abstractmethod
    def _work(self) -> StepResult:
        """Run what is to do, or have it run, and complete the step."""

    def _complete(self, planned: int, mini_batches: int) -> StepResult:
        """Aggregate the parts, and publish the outputs.

        Args:
            planned: Number of mini-batches of the input.
            mini_batches: Number of those that are to have a part.
        """
        totals = count(records(self._directory, planned))
        check_totals(self._thresholds, totals, mini_batches)
        files = self._files(totals)
        self._aggregate(planned, totals)
        files.move()
        for note in self._run.publish(self._step):
            self._reporter.noted(note)
        return self._reporter.completed(totals)

    def _files(self, totals: Totals) -> OutputFiles:
        if not totals.with_files:
            return OutputFiles(self._directory, {})
        output = the_only_output(folder_outputs(self._step))
        return OutputFiles.of(self._directory, totals.with_files, output, self._output)

    def _aggregate(self, planned: int, totals: Totals) -> None:
        if self._output is not None and not self._output.exists():
            parts = Parts(self._directory, planned, self._on_part)
            output_format = format_for(output_name_of(self._step), delimiter_of(self._step))
            header = self._step.append_row_dataframe_header
            aggregate_output(parts, totals.returns, self._output, output_format, header=header)

    def _on_part(self, doing: str) -> None:
        self._refuse_if_canceled()
        self._reporter.joining(doing)

    def _refuse_if_canceled(self) -> None:
        if self._canceled.is_set():
            raise StepCanceled


@task(name="aggregate", task_run_name="aggregate", cache_policy=NO_CACHE, persist_result=False)
def aggregate_output(
    parts: Parts, returns: Returns, target: Path, output_format: OutputFormat, *, header: bool
) -> None:
    """Join the parts of a step into its aggregated output."""
    aggregate(parts, returns, target, output_format, header=header)
