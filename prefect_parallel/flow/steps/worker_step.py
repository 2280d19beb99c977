"""How a parallel step runs on workers without a network: it is prepared, and finished later."""

from __future__ import annotations

import shlex
import shutil

from prefect.flows import Flow

from prefect_parallel.errors import counted
from prefect_parallel.flow.nodes.retry_delays import RetryDelays
from prefect_parallel.flow.nodes.step_monitor import StepFailed
from prefect_parallel.flow.run.run import Run
from prefect_parallel.flow.run.step_result import StepResult
from prefect_parallel.flow.steps.step_flow import step_flow
from prefect_parallel.flow.steps.step_plan import StepPlan, plan_step
from prefect_parallel.flow.steps.step_run import StepPrepared, StepRun
from prefect_parallel.flow.workers.leases import running_workers
from prefect_parallel.flow.workers.prepared_step import PreparedStep
from prefect_parallel.job import ParallelStep
from prefect_parallel.output.output_files import move_back
from prefect_parallel.output.totals import Totals


def worker_step_flow(step: ParallelStep, run: Run) -> Flow[[], None]:
    """The flow that prepares a parallel step for workers, or finishes what they have done."""
    return step_flow(step, run, lambda: _WorkerStep(step, run).run())


class _WorkerStep(StepRun):
    def _work(self) -> StepResult:
        if self._run.phase == "finish" and self._directory.work.exists():
            return self._finish(PreparedStep.read(self._directory))
        plan = plan_step(self._step, self._run, self._step.max_concurrency_per_instance or 1)
        self._reporter.planned(plan, "workers")
        plan.mini_batches.returns.check()
        if plan.mini_batches.to_run:
            self._prepare(plan)
            raise StepPrepared(
                f"{counted(plan.mini_batches.to_run, 'mini-batch')} to run: start workers with"
                f" {self._command('work')}, then {self._command('finish')}"
            )
        return self._complete(plan.mini_batches.planned, plan.mini_batches.in_output)

    def _prepare(self, plan: StepPlan) -> None:
        data = self._run.data_of(self._step)
        PreparedStep(
            config=plan.config,
            datastores=tuple(plan.config.datastores),
            inputs=tuple(place.path for place in data.places() if not place.is_remote),
            slots=self._step.max_concurrency_per_instance,
            max_retries=self._step.max_retries,
            delays=RetryDelays.of(self._step),
            thresholds=self._thresholds,
            unit=plan.unit,
            planned=plan.mini_batches.planned,
            mini_batches=plan.mini_batches.in_output,
        ).write(plan.mini_batches.to_do())

    def _finish(self, prepared: PreparedStep) -> StepResult:
        """Complete the step if each of its mini-batches has a final part.

        Raises:
            StepPrepared: Some have none.
            StepFailed: A threshold is exceeded.
        """
        self._reporter.finishing(prepared.planned, prepared.mini_batches, prepared.unit)
        totals, missing = Totals(), 0
        for mini_batch in prepared.to_do():
            self._refuse_if_canceled()
            record = prepared.final(mini_batch)
            if record is None:
                missing += 1
            else:
                totals.add(record)
        if missing:
            self._refuse_failed(totals, prepared.mini_batches)
            raise StepPrepared(self._why_missing(missing, prepared))
        # What was written before the last mini-batch was done is out of date.
        if self._output is not None:
            self._output.unlink(missing_ok=True)
        # It may have been killed while it moved files.
        move_back(self._directory)
        result = self._complete(prepared.planned, prepared.mini_batches)
        self._directory.work.unlink()
        for lease in self._directory.parts.glob("*.lease"):
            lease.unlink()
        shutil.rmtree(self._directory.fetched, ignore_errors=True)
        shutil.rmtree(self._directory.isolated, ignore_errors=True)
        return result

    def _refuse_failed(self, totals: Totals, mini_batches: int) -> None:
        exceeded = self._thresholds.exceeded(
            failed=totals.failed, failed_items=totals.failed_items, mini_batches=mini_batches
        )
        if exceeded:
            raise StepFailed(exceeded)

    def _why_missing(self, missing: int, prepared: PreparedStep) -> str:
        running = len(running_workers(self._run.directory.workers))
        at_work = f"{counted(running, 'worker')} running" if running else "no worker is running"
        return (
            f"{missing:,} of {counted(prepared.mini_batches, 'mini-batch')} have no result yet,"
            f" {at_work}; start workers with {self._command('work')}, then"
            f" {self._command('finish')}"
        )

    def _command(self, name: str) -> str:
        return f"prefect-parallel {name} {shlex.quote(str(self._run.directory.root))}"
