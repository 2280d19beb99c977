"""From a pipeline job to what runs, with every check that needs no run.

It goes over the whole job and collects mistakes instead of stopping at the first: loading asks
for the mistakes, resolving for what comes out.
"""

from __future__ import annotations

import graphlib
from collections.abc import Mapping
from typing import Any

from prefect_parallel.errors import InvalidPipeline, Problem
from prefect_parallel.job.models.io_models import DEFAULT_DATA_TYPE
from prefect_parallel.job.models.pipeline import PipelineJob
from prefect_parallel.job.models.steps import ParallelComponentStepModel, ParallelStepModel
from prefect_parallel.job.resolution.bindings import Inputs
from prefect_parallel.job.resolution.command_resolver import CommandResolver
from prefect_parallel.job.resolution.diagnostics import Diagnostics
from prefect_parallel.job.resolution.parallel_resolver import ParallelResolver
from prefect_parallel.job.resolution.resolved import (
    CommandStep,
    OutputSpec,
    ParallelStep,
    ResolvedJob,
)
from prefect_parallel.job.resolution.step_resolver import output_mode


def resolve(job: PipelineJob, values: Mapping[str, Any]) -> ResolvedJob:
    """What runs, with these values for the pipeline's inputs.

    Raises:
        InvalidPipeline: It has mistakes; `problems` holds all of them.
    """
    resolved, problems = _resolve(job, values, complete=True)
    if problems:
        raise InvalidPipeline(problems)
    return resolved


def problems_in(job: PipelineJob) -> list[Problem]:
    """All mistakes of a job, given the values that its inputs have by themselves."""
    return _resolve(job, {}, complete=False)[1]


def _resolve(
    job: PipelineJob, values: Mapping[str, Any], *, complete: bool
) -> tuple[ResolvedJob, list[Problem]]:
    diagnostics = Diagnostics(job)
    if not job.step_names:
        diagnostics.at(("jobs",), "the pipeline has no step")
    inputs = Inputs(job, values, complete, diagnostics)
    graph = job.graph()
    steps: dict[str, ParallelStep | CommandStep] = {}
    for name in _in_order(graph, diagnostics):
        if not job.is_read(name):
            continue
        parallel = isinstance(job.jobs[name], (ParallelStepModel, ParallelComponentStepModel))
        resolver = ParallelResolver if parallel else CommandResolver
        step = resolver(job, name, inputs, diagnostics).resolve()
        if step is not None:
            steps[name] = step
    settings = job.settings
    resolved = ResolvedJob(
        display_name=job.display_name or job.name or (job.path.stem if job.path else "pipeline"),
        description=job.description,
        tags=job.tags,
        continue_on_step_failure=settings.continue_on_step_failure,
        default_datastore=(settings.default_datastore or "").removeprefix("azureml:") or None,
        outputs={
            name: OutputSpec(
                output.type or DEFAULT_DATA_TYPE, output_mode(output.mode), output.path
            )
            for name, output in job.outputs.items()
        },
        steps=steps,
        graph=graph,
    )
    return resolved, diagnostics.problems


def _in_order(graph: dict[str, set[str]], diagnostics: Diagnostics) -> list[str]:
    try:
        return list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        # In the direction of the data, the first step once more at the end.
        cycle = [str(step) for step in error.args[1]]
        first = cycle[0]
        diagnostics.at(
            ("jobs", first, "inputs"),
            f"these steps wait for each other: {' -> '.join(cycle)}",
            hint="an input of one of them must come from elsewhere",
        )
        return list(graph)
