"""The results of steps that completed when the run was started before."""

from __future__ import annotations

from dataclasses import dataclass, replace

from prefect_parallel.flow.run.run import Run
from prefect_parallel.flow.run.step_result import StepResult
from prefect_parallel.job import CommandStep, ParallelStep, PipelineStep
from prefect_parallel.output.job_result import JobResult


@dataclass(frozen=True)
class EarlierResults:
    """The results that a run directory has, of steps that did not start again since then."""

    run: Run

    def has(self, step: ParallelStep | CommandStep | PipelineStep) -> bool:
        """Whether a step has completed; of a nested pipeline, all of its steps."""
        if isinstance(step, PipelineStep):
            return all(map(self.has, step.graph.steps.values()))
        directory = self.run.directory.step(step.name)
        if isinstance(step, CommandStep):
            return directory.completed.exists()
        result = directory.job_result
        return result.exists() and JobResult.read(result).status == "Completed"

    def note(self, step: ParallelStep | CommandStep | PipelineStep) -> StepResult:
        """Note the result of a step in the run, and those of the steps of a nested pipeline."""
        if isinstance(step, PipelineStep):
            for inner in step.graph.steps.values():
                self.note(inner)
        self.run.ended[step.name] = result = self._of(step)
        return result

    def _of(self, step: ParallelStep | CommandStep | PipelineStep) -> StepResult:
        directory = self.run.directory.step(step.name)
        if not isinstance(step, ParallelStep):
            log = directory.command_log if isinstance(step, CommandStep) else None
            reason = "completed in an earlier run"
            return self.run.step_result(step, "Completed", reason, log)
        result = JobResult.read(directory.job_result)
        return replace(
            self.run.step_result(step, result.status, result.reason, directory.job_result),
            mini_batches=result.mini_batches,
            items=result.items,
        )
