"""From a file to a `PipelineJob`, or to all of its problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from prefect_parallel.data import NO_DATASTORES, Datastores
from prefect_parallel.document import Document, Section, dotted, plain
from prefect_parallel.errors import InvalidPipeline, Problem
from prefect_parallel.job.loading import batch_deployment, command_job
from prefect_parallel.job.loading.file_kinds import refuse_other_kinds
from prefect_parallel.job.loading.overrides import apply_overrides
from prefect_parallel.job.loading.registered import RegisteredThings
from prefect_parallel.job.loading.steps import StepsReader, keep_texts
from prefect_parallel.job.models.components import Component, Steps
from prefect_parallel.job.models.pipeline import PipelineJob
from prefect_parallel.job.resolution.resolve import problems_in
from prefect_parallel.yaml_file import read_document
from prefect_parallel.yaml_schema import UNKNOWN_KEY, Diagnostics, LenientDiagnostics, Refused


def load_pipeline(
    path: str | Path,
    overrides: Sequence[str] = (),
    datastores: Datastores | None = None,
    *,
    lenient: bool = False,
) -> PipelineJob:
    """Read a pipeline job from a YAML file, and check all that can be checked without a run.

    A command job becomes a pipeline with the one step `command`, and a batch deployment one with
    the step `score`.

    Args:
        path: The file.
        overrides: Values to put into it first, e.g. "jobs.score.mini_batch_size=1mb".
        datastores: Where components, environments and code are that it names as registered.
        lenient: Whether unknown keys, which may be misspelled, are warnings instead of errors.

    Raises:
        InvalidPipeline: It has errors; `problems` holds all of them.
    """
    document = read_document(Path(path), InvalidPipeline)
    apply_overrides(document, overrides)
    return job_from(document, datastores, lenient=lenient)


def job_from(
    document: Document, datastores: Datastores | None = None, *, lenient: bool = False
) -> PipelineJob:
    """The pipeline job in a document; arguments as for `load_pipeline`.

    Raises:
        InvalidPipeline: It has errors; `problems` holds all of them.
    """
    unknown: list[Problem] = []
    read = partial(LenientDiagnostics, unknown=unknown) if lenient else Diagnostics
    if batch_deployment.is_batch_deployment(document):
        document = batch_deployment.pipeline_of(document, read(document))
    refuse_other_kinds(document)
    if command_job.is_command_job(document):
        document = command_job.pipeline_of(document)
    registered = RegisteredThings(datastores or NO_DATASTORES)
    registered.put_into(document)
    reader, diagnostics = StepsReader(registered, read), read(document)
    if "component" in document.data:
        job = _job_by_component(document, reader, diagnostics)
    else:
        components, nested = reader.files(document)
        if "jobs" not in document.data:
            diagnostics.refuse(("jobs",), Refused("the key is missing"))
        values = PipelineJob.read_keys(document.data, (), diagnostics)
        job = PipelineJob(Steps(document, values.get("jobs", {}), components, nested), **values)
    job.unknown = _unique(unknown, document.file)
    job.ignored = list(dict.fromkeys(map(dotted, [*diagnostics.ignored, *reader.ignored])))
    found = [_with_place(problem, document.data) for problem in diagnostics.problems]
    problems = [*registered.problems, *found, *reader.problems]
    problems += problems_in(job, diagnostics.broken)
    if problems:
        raise InvalidPipeline(registered.with_hint(_unique(problems, document.file)))
    return job


def _job_by_component(
    document: Document, reader: StepsReader, diagnostics: Diagnostics
) -> PipelineJob:
    """The job of which a component has all steps."""
    component: Component | None = None
    steps = Steps(document, {}, {}, {})
    named = document.data["component"]
    if isinstance(named, str) and not named.startswith("azureml:"):
        try:
            opened = reader.open(named, document, ())
            component, steps = reader.pipeline_component(
                opened, "pipeline", document.data, document, (), ()
            )
        except InvalidPipeline as error:
            reader.problems += error.problems
        else:
            keep_texts(document.data.get("inputs"), component)
    keys = {name: value for name, value in document.data.items() if name != "jobs"}
    values = PipelineJob.read_keys(keys, (), diagnostics)
    changes = plain(document.data.get("jobs"))
    return PipelineJob(steps, document=document, by_component=component, changes=changes, **values)


def _with_place(problem: Problem, data: Section) -> Problem:
    """A top-level key that is the name of an input or a step: the hint is where that belongs."""
    for group in ("inputs", "jobs"):
        names = data.get(group)
        if isinstance(names, Section) and problem.message == UNKNOWN_KEY and problem.key in names:
            return replace(problem, hint=f"did you mean {group}.{problem.key}?")
    return problem


def _unique(problems: list[Problem], first: str | None) -> list[Problem]:
    """By file, in the order of its lines; a component's problem once for all steps that name it."""
    seen: dict[tuple[object, ...], Problem] = {}
    for problem in problems:
        seen.setdefault((problem.file, problem.line, problem.column, problem.message), problem)
    files = list(dict.fromkeys([first, *(problem.file for problem in problems)]))
    return sorted(
        seen.values(),
        key=lambda each: (files.index(each.file), each.line or 0, each.column or 0),
    )
