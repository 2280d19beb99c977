"""From a pipeline job to what runs, with all checks that need no run.

The whole job is checked, and problems are collected: loading asks for them, resolving for the
steps.
"""

from __future__ import annotations

import graphlib
from collections.abc import Collection, Mapping
from typing import Any

from prefect_parallel.document import KeyPath
from prefect_parallel.errors import InvalidPipeline, Problem
from prefect_parallel.job.models.pipeline import PipelineJob
from prefect_parallel.job.models.steps import ParallelKeys
from prefect_parallel.job.resolution.bindings import Bindings
from prefect_parallel.job.resolution.command_resolver import CommandResolver
from prefect_parallel.job.resolution.diagnostics import JobDiagnostics
from prefect_parallel.job.resolution.outputs import check_output_locations, pipeline_output
from prefect_parallel.job.resolution.parallel_resolver import ParallelResolver
from prefect_parallel.job.resolution.resolved import (
    CommandStep,
    Input,
    OutputOf,
    ParallelStep,
    ResolvedJob,
)


def resolve(job: PipelineJob, values: Mapping[str, Any] | None = None) -> ResolvedJob:
    """What runs: every value put in, every default filled in.

    Args:
        values: Values for the pipeline's inputs, in place of their own.

    Raises:
        InvalidPipeline: A value is not allowed, or something else that `load_pipeline` checks;
            `problems` holds all of it.
    """
    diagnostics = JobDiagnostics(job)
    resolved = _resolve(job, values or {}, diagnostics, complete=True)
    if diagnostics.problems:
        raise InvalidPipeline(diagnostics.problems)
    return resolved


def problems_in(job: PipelineJob, broken: Collection[KeyPath] = ()) -> list[Problem]:
    """All problems of a job with its own values, without those that follow from broken paths."""
    diagnostics = JobDiagnostics(job, broken)
    _resolve(job, {}, diagnostics, complete=False)
    return diagnostics.problems


def _resolve(
    job: PipelineJob, values: Mapping[str, Any], diagnostics: JobDiagnostics, *, complete: bool
) -> ResolvedJob:
    if not job.jobs:
        diagnostics.add(("jobs",), "the pipeline has no step")
    bindings = Bindings(job, values, complete, diagnostics)
    inputs = {name: bindings.of_step(name) for name in job.jobs if job.is_read(name)}
    graph = {name: _sources(inputs.get(name, {})) & job.jobs.keys() for name in job.jobs}
    steps: dict[str, ParallelStep | CommandStep] = {}
    for name in _in_order(graph, diagnostics):
        if name not in inputs:
            continue
        parallel = isinstance(job.jobs[name], ParallelKeys)
        resolver = ParallelResolver if parallel else CommandResolver
        step = resolver(job, name, bindings, inputs[name], diagnostics).resolve()
        if step is not None:
            steps[name] = step
    check_output_locations(job, steps, graph, diagnostics)
    settings = job.settings
    return ResolvedJob(
        display_name=job.display_name or job.name or (job.path.stem if job.path else "pipeline"),
        description=job.description,
        tags=job.tags,
        continue_on_step_failure=settings.continue_on_step_failure,
        default_datastore=(settings.default_datastore or "").removeprefix("azureml:") or None,
        outputs={name: pipeline_output(job, name) for name in job.outputs},
        steps=steps,
        graph=graph,
        warnings=tuple(diagnostics.warnings),
    )


def _sources(inputs: Mapping[str, Input]) -> set[str]:
    """The steps whose outputs are among the inputs."""
    return {value.step for value in inputs.values() if isinstance(value, OutputOf)}


def _in_order(graph: dict[str, set[str]], diagnostics: JobDiagnostics) -> list[str]:
    try:
        return list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        # In the direction of the data, the first step once more at the end.
        cycle = [str(step) for step in error.args[1]]
        first = cycle[0]
        diagnostics.add(
            ("jobs", first, "inputs"),
            f"circular dependency between steps: {' -> '.join(cycle)}",
            hint="take an input of one of them from elsewhere",
        )
        return list(graph)
