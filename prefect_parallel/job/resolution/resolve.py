"""From a pipeline job to what runs, with all checks that need no run.

The whole job is checked, and problems are collected: loading asks for them, resolving for the
steps.
"""

from __future__ import annotations

import graphlib
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from prefect_parallel.document import KeyPath
from prefect_parallel.errors import InvalidPipeline, Problem
from prefect_parallel.job.models.pipeline import PipelineJob
from prefect_parallel.job.models.steps import ParallelKeys
from prefect_parallel.job.resolution.bindings import Bindings
from prefect_parallel.job.resolution.command_resolver import CommandResolver
from prefect_parallel.job.resolution.diagnostics import JobDiagnostics
from prefect_parallel.job.resolution.job_inputs import job_inputs
from prefect_parallel.job.resolution.level import Level
from prefect_parallel.job.resolution.outputs import (
    check_bindings,
    check_output_locations,
    default_datastore,
    job_outputs,
    step_outputs,
)
from prefect_parallel.job.resolution.parallel_resolver import ParallelResolver
from prefect_parallel.job.resolution.pipeline_literal import compute_of
from prefect_parallel.job.resolution.resolved import (
    CommandStep,
    Graph,
    Input,
    OutputOf,
    ParallelStep,
    PipelineStep,
    ResolvedJob,
)


def resolve(
    job: PipelineJob, values: Mapping[str, Any] | None = None, *, run: str | None = None
) -> ResolvedJob:
    """What runs: every value put in, every default filled in.

    Args:
        values: Values for the pipeline's inputs, in place of their own.
        run: The name of the run.

    Raises:
        InvalidPipeline: A value is not allowed, or something else that `load_pipeline` checks;
            `problems` holds all of it.
    """
    diagnostics = JobDiagnostics(job.document)
    resolved = _resolve(job, values or {}, diagnostics, complete=True, run=run)
    if diagnostics.problems:
        raise InvalidPipeline(diagnostics.problems)
    return resolved


def problems_in(job: PipelineJob, broken: Collection[KeyPath] = ()) -> list[Problem]:
    """All problems of a job with its own values, without those that follow from broken paths."""
    diagnostics = JobDiagnostics(job.document, broken)
    _resolve(job, {}, diagnostics, complete=False)
    return diagnostics.problems


def _resolve(
    job: PipelineJob,
    values: Mapping[str, Any],
    diagnostics: JobDiagnostics,
    *,
    complete: bool,
    run: str | None = None,
) -> ResolvedJob:
    if not job.steps.jobs and job.component is None:
        diagnostics.add(("jobs",), "the pipeline has no step")
    level = top_level(job, values, diagnostics, complete=complete, run=run)
    graph = (_graph if job.by_component is None else _graph_below)(level, diagnostics)
    check_output_locations(job, graph, diagnostics)
    return ResolvedJob(
        display_name=job.title,
        description=job.description,
        tags=job.tags,
        continue_on_step_failure=job.settings.continue_on_step_failure,
        force_rerun=job.settings.force_rerun,
        outputs=dict(level.outputs),
        graph=graph,
        warnings=(*job.unknown, *diagnostics.warnings),
    )


def top_level(
    job: PipelineJob,
    values: Mapping[str, Any],
    diagnostics: JobDiagnostics,
    *,
    complete: bool,
    run: str | None = None,
) -> Level:
    """The level of a job's own steps; arguments as for `job_inputs`."""
    inputs = job_inputs(job, values, run, complete, diagnostics)
    refuse = partial(diagnostics.add, ("compute",))
    compute = compute_of(job.compute, inputs, refuse)
    return Level(
        job.steps,
        "",
        inputs,
        job_outputs(job, inputs, diagnostics),
        compute or compute_of(job.settings.default_compute, inputs, refuse),
        default_datastore(job),
        run,
    )


def _graph(level: Level, diagnostics: JobDiagnostics) -> Graph:
    """The steps of a level, those of nested pipelines included."""
    bindings, prefix = Bindings(level, diagnostics), level.prefix
    inputs = {name: bindings.of_step(name) for name in level.jobs if level.steps.is_read(name)}
    after = {name: _sources(inputs.get(name, {}), level) for name in level.jobs}
    steps: dict[str, ParallelStep | CommandStep | PipelineStep] = {}
    for name in _in_order(after, diagnostics):
        if name not in inputs:
            continue
        step: ParallelStep | CommandStep | PipelineStep | None
        if name in level.steps.nested:
            step = _nested(level, name, inputs[name], diagnostics)
        else:
            parallel = isinstance(level.jobs[name], ParallelKeys)
            resolver = ParallelResolver if parallel else CommandResolver
            step = resolver(level, name, bindings, inputs[name], diagnostics).resolve()
        if step is not None:
            steps[prefix + name] = step
    check_bindings(level, steps, diagnostics)
    full = {prefix + name: {prefix + each for each in before} for name, before in after.items()}
    return Graph(steps, full)


def _nested(
    level: Level, name: str, inputs: dict[str, Input], diagnostics: JobDiagnostics
) -> PipelineStep:
    outputs = step_outputs(level, name, inputs, diagnostics)
    refuse = partial(diagnostics.add, ("jobs", name, "compute"))
    compute = compute_of(level.jobs[name].compute, level.inputs, refuse)
    sources = {output: level.source(name, output) for output in outputs}
    return PipelineStep(
        name=level.prefix + name,
        description=level.jobs[name].description,
        inputs=inputs,
        outputs=outputs,
        sources={output: source for output, source in sources.items() if source is not None},
        graph=_graph_below(level.below(name, inputs, outputs, compute), diagnostics),
    )


def _graph_below(level: Level, diagnostics: JobDiagnostics) -> Graph:
    """The steps of a level that has a document of its own."""
    own = JobDiagnostics(level.document)
    graph = _graph(level, own)
    diagnostics.problems += own.problems
    diagnostics.warnings += own.warnings
    return graph


def _sources(inputs: Mapping[str, Input], level: Level) -> set[str]:
    """The steps of a level whose outputs are among the inputs."""
    full = {value.step for value in inputs.values() if isinstance(value, OutputOf)}
    below = {each.removeprefix(level.prefix) for each in full if each.startswith(level.prefix)}
    return {each.partition(".")[0] for each in below} & level.jobs.keys()


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
