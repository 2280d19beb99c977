"""From a file to a `PipelineJob`, or to all of its problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from prefect_parallel.data import NO_DATASTORES, Datastores
from prefect_parallel.document import Document, Section, dotted
from prefect_parallel.errors import InvalidPipeline, Problem
from prefect_parallel.job.loading.component_files import open_component, read_component
from prefect_parallel.job.loading.overrides import apply_overrides
from prefect_parallel.job.loading.registered import RegisteredThings
from prefect_parallel.job.models.components import Component
from prefect_parallel.job.models.pipeline import PipelineJob
from prefect_parallel.job.models.steps import step_type
from prefect_parallel.job.resolution.resolve import problems_in
from prefect_parallel.yaml_file import read_document
from prefect_parallel.yaml_schema import UNKNOWN_KEY, Diagnostics

# Keys that only a command step by a component has.
_COMMAND_KEYS = {"command", "code", "distribution", "environment", "limits"}


def load_pipeline(
    path: str | Path, overrides: Sequence[str] = (), datastores: Datastores | None = None
) -> PipelineJob:
    """Read a pipeline job from a YAML file, and check all that can be checked without a run.

    Args:
        path: The file.
        overrides: Values to put into it first, e.g. "jobs.score.mini_batch_size=1mb".
        datastores: Where components, environments and code are that it names as registered.

    Raises:
        InvalidPipeline: It has errors; `problems` holds all of them.
    """
    document = read_document(Path(path), InvalidPipeline)
    apply_overrides(document, overrides)
    return job_from(document, datastores)


def job_from(document: Document, datastores: Datastores | None = None) -> PipelineJob:
    """The pipeline job in a document.

    Raises:
        InvalidPipeline: It has errors; `problems` holds all of them.
    """
    diagnostics = Diagnostics(document)
    registered = RegisteredThings(datastores or NO_DATASTORES)
    registered.put_into(document)
    components = _read_components(document, registered, diagnostics)
    values = PipelineJob.read_keys(document.data, (), diagnostics)
    ignored = list(dict.fromkeys(map(dotted, diagnostics.ignored)))
    job = PipelineJob(document, components, ignored, **values)
    found = [_with_place(problem, document.data) for problem in diagnostics.problems]
    problems = [*registered.problems, *found, *problems_in(job, diagnostics.broken)]
    if problems:
        raise InvalidPipeline(registered.with_hint(_unique(problems, document.file)))
    return job


def _read_components(
    document: Document, registered: RegisteredThings, diagnostics: Diagnostics
) -> dict[str, Component]:
    """The component files that steps name; a step without a type gets its component's."""
    components: dict[str, Component] = {}
    jobs = document.data.get("jobs")
    for name, step in jobs.items() if isinstance(jobs, Section) else ():
        if not isinstance(step, Section) or "component" not in step:
            continue
        if not isinstance(step["component"], str) or step["component"].startswith("azureml:"):
            _guess_type(step)
            continue
        wanted = step_type(step)
        try:
            opened = open_component(step["component"], document, step.path)
            registered.put_into(opened)
            if "type" not in step:
                step.put("type", opened.data["type"])
            components[name] = read_component(opened, wanted, diagnostics)
        except InvalidPipeline as error:
            diagnostics.problems += error.problems
            _guess_type(step)
    return components


def _with_place(problem: Problem, data: Section) -> Problem:
    """A top-level key that is the name of an input or a step: the hint is where that belongs."""
    for group in ("inputs", "jobs"):
        names = data.get(group)
        if isinstance(names, Section) and problem.message == UNKNOWN_KEY and problem.key in names:
            return replace(problem, hint=f"did you mean {group}.{problem.key}?")
    return problem


def _guess_type(step: Section) -> None:
    """Give a step a type if it has none, so that the rest of it is still checked."""
    if "type" not in step:
        step.put("type", "command" if _COMMAND_KEYS & set(step) else "parallel")


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
