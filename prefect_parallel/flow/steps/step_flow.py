"""The flow of a step, which is a subflow of its pipeline's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect.context import FlowRunContext
from prefect.flows import Flow

from prefect_parallel.flow.run.run import Run
from prefect_parallel.flow.run.step_result import StepResult
from prefect_parallel.flow.steps.artifacts import show_step
from prefect_parallel.job import CommandStep, ParallelStep, PipelineStep


def step_flow(
    step: ParallelStep | CommandStep | PipelineStep,
    run: Run,
    result: Callable[[], StepResult],
    **options: Any,
) -> Flow[[], None]:
    """The flow of a step.

    Args:
        result: Runs the step, and returns its result.
        options: Further arguments of `Flow`.
    """

    def run_step() -> Any:
        run.starts.started(step.name)
        context = FlowRunContext.get()
        assert context is not None
        assert context.flow_run is not None
        run.running[context.flow_run.id] = step.name
        try:
            end = result()
        finally:
            del run.running[context.flow_run.id]
        state = run.end_step(step.name, end)
        show_step(run.pipeline, step.name, end)
        return state

    return Flow(
        run_step,
        name=step.name,
        description=step.description,
        flow_run_name=step.name,
        validate_parameters=False,
        persist_result=False,
        **options,
    )
