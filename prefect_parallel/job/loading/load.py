"""From a file to a PipelineJob, or to all that is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from prefect_parallel.document import Document, KeyPath, Section, dotted
from prefect_parallel.errors import InvalidPipeline, Problem
from prefect_parallel.job.format.model import Reading, problems_of
from prefect_parallel.job.loading.overrides import apply_overrides
from prefect_parallel.job.loading.salvage import salvage
from prefect_parallel.job.models.components import Component, open_component, read_component
from prefect_parallel.job.models.pipeline import PipelineJob
from prefect_parallel.job.models.steps import step_type
from prefect_parallel.job.resolution.resolve import problems_in
from prefect_parallel.yaml_file import read_document

# What only a command step by a component has.
_COMMAND_KEYS = {"command", "code", "distribution", "environment", "limits"}


def load_pipeline(path: str | Path, overrides: Sequence[str] = ()) -> PipelineJob:
    """Read a pipeline job from a YAML file, and check all of it that can be checked unrun.

    Args:
        path: The file.
        overrides: Values to put into it first, e.g. "jobs.score.mini_batch_size=1mb".

    Raises:
        InvalidPipeline: It has mistakes; `problems` holds all of them.
    """
    document = read_document(Path(path), InvalidPipeline)
    apply_overrides(document, overrides)
    return job_from(document)


def job_from(document: Document) -> PipelineJob:
    """The pipeline job in a document.

    Raises:
        InvalidPipeline: It has mistakes; `problems` holds all of them.
    """
    problems: list[Problem] = []
    reading = Reading(document)
    components = _read_components(document, problems)
    try:
        job = PipelineJob.model_validate(document.data, context=reading)
    except ValidationError as error:
        problems += problems_of(error, reading)
        if salvaged := salvage(document, error):
            salvaged.job.attach(document, components, [], salvaged.unread)
            problems += (
                problem
                for problem in problems_in(salvaged.job)
                if not salvaged.is_touched(problem.key or "")
            )
        raise InvalidPipeline(_unique(problems)) from None
    job.attach(document, components, _ignored(reading, components))
    problems += reading.problems
    problems += problems_in(job)
    if problems:
        raise InvalidPipeline(_unique(problems))
    return job


def _read_components(document: Document, problems: list[Problem]) -> dict[str, Component]:
    """The component files that steps name; a step that has no type takes its component's."""
    components: dict[str, Component] = {}
    jobs = document.data.get("jobs")
    for name, step in jobs.items() if isinstance(jobs, Section) else ():
        if not isinstance(step, Section) or "component" not in step:
            continue
        if not isinstance(step["component"], str):
            _guess_type(step)
            continue
        said = step_type(step)
        try:
            opened = open_component(step["component"], document, step.path)
            if "type" not in step:
                step.put("type", opened.data["type"])
            components[name] = read_component(opened, said)
        except InvalidPipeline as error:
            problems += error.problems
            _guess_type(step)
    return components


def _guess_type(step: Section) -> None:
    """Give a step a type if it has none, so that the rest of it is still looked at."""
    if "type" not in step:
        step.put("type", "command" if _COMMAND_KEYS & set(step) else "parallel")


def _ignored(reading: Reading, components: dict[str, Component]) -> list[str]:
    paths = [dotted(path) for path in reading.ignored]
    for component in components.values():
        prefix: KeyPath = component.document.prefix
        paths += [dotted((*prefix, *path)) for path in component.ignored]
    return list(dict.fromkeys(paths))


def _unique(problems: list[Problem]) -> list[Problem]:
    """In the order of the file; a component's mistake once, however many steps name it."""
    seen: dict[tuple[object, ...], Problem] = {}
    for problem in problems:
        seen.setdefault((problem.file, problem.line, problem.column, problem.message), problem)
    return sorted(seen.values(), key=lambda problem: (problem.line or 0, problem.column or 0))
