"""The results of steps that completed when the run was started before."""

from __future__ import annotations

from dataclasses import dataclass, replace

from prefect_parallel.flow.run.run import Run
from prefect_parallel.flow.run.step_result import StepResult
from prefect_parallel.job import CommandStep, ParallelStep
from prefect_parallel.output.job_result import JobResult


@dataclass(frozen=True)
class EarlierResults:
    """The results that a run directory has, of steps that did not start again since then."""

    run: Run

    def has(self, step: ParallelStep | CommandStep) -> bool:
        """Whether a step has completed."""
        directory = self.run.directory.step(step.name)
        if isinstance(step, CommandStep):
            return directory.completed.exists()
        result = directory.job_result
        return result.exists() and JobResult.read(result).status == "Completed"

    def of(self, step: ParallelStep | CommandStep) -> StepResult:
        directory = self.run.directory.step(step.name)
        if isinstance(step, CommandStep):
            reason = "completed when the run was started before"
            return self.run.step_result(step, "Completed", reason, directory.command_log)
        result = JobResult.read(directory.job_result)
        return replace(
            self.run.step_result(step, result.status, result.reason, directory.job_result),
            mini_batches=result.mini_batches,
            items=result.items,
        )
