"""The page of the keys of pipeline YAML."""

from __future__ import annotations

from collections.abc import Iterator

from prefect_parallel.job.format.model import Model
from prefect_parallel.job.format.name_validators import NameValidator, StepNameValidator
from prefect_parallel.job.models.components import (
    CommandComponentModel,
    ParallelComponentModel,
    PipelineComponentModel,
)
from prefect_parallel.job.models.io_models import (
    DataInput,
    DeclaredInput,
    DeclaredOutput,
    DescribedInput,
    Output,
)
from prefect_parallel.job.models.pipeline import PipelineJob, Settings
from prefect_parallel.job.models.step_parts import (
    Build,
    Environment,
    Limits,
    Resources,
    RetrySettings,
    Task,
)
from prefect_parallel.job.models.steps import (
    CommandComponentStepModel,
    CommandStepModel,
    ParallelComponentStepModel,
    ParallelKeys,
    ParallelStepModel,
    PipelineStepModel,
)
from prefect_parallel.job.syntax.expressions import FORMS
from tools.reference.markdown import code, docstring, document, link, table
from tools.reference.models import Headings, keys_table

_HEADINGS: Headings = {
    ParallelStepModel: "Parallel step",
    Task: "Task",
    RetrySettings: "Retry settings",
    Resources: "Resources",
    DataInput: "Data",
    Output: "Output",
    Environment: "Environment",
    Build: "Build",
    ParallelComponentStepModel: "Parallel step by a component",
    CommandStepModel: "Command step",
    Limits: "Limits",
    CommandComponentStepModel: "Command step by a component",
    PipelineStepModel: "Nested pipeline",
    PipelineJob: "Pipeline",
    Settings: "Settings",
    ParallelComponentModel: "Parallel component",
    CommandComponentModel: "Command component",
    PipelineComponentModel: "Pipeline component",
    DeclaredInput: "Declared input",
    DeclaredOutput: "Declared output",
}

_AS_OF_A_STEP: dict[type[Model], tuple[type[Model], type[Model]]] = {
    ParallelComponentStepModel: (ParallelStepModel, ParallelStepModel),
    ParallelComponentModel: (ParallelStepModel, ParallelKeys),
    CommandComponentStepModel: (CommandStepModel, CommandStepModel),
}
"""The step that a model has keys of, and the model which these are from."""

_INTRO = f"""\
A pipeline file has [keys of its own](#pipeline), and its steps below `jobs`:
[parallel](#parallel-step) and [command](#command-step) steps and
[nested pipelines](#nested-pipeline), inline or in [component](#parallel-component) files. Relative
paths are relative to the file that contains them.
[`prefect-parallel validate`](commands.md#prefect-parallel-validate) reports unknown keys, invalid
values and keys without a value. [`prefect-parallel schema`](commands.md#prefect-parallel-schema)
prints a JSON schema for editors. [Program arguments](program_arguments.md) that configure a step
and [MLTable](mltable.md) files have pages of their own.

The name of a step consists of {StepNameValidator().allowed}; the name of an input or output
consists of {NameValidator().allowed}."""

_EXPRESSIONS = """\
In program arguments and commands, `$[[...]]` is removed if the optional input inside it has no
value: `$[[--note ${{inputs.note}}]]`. Spaces inside the braces are allowed."""


def page() -> str:
    sections = [part for model in _HEADINGS for part in _section(model)]
    forms = table(("expression", "meaning"), ((code(form), FORMS[form]) for form in FORMS))
    return document("Pipeline YAML", _INTRO, *sections, "## Expressions", forms, _EXPRESSIONS)


def _section(model: type[Model]) -> Iterator[str]:
    yield f"## {_HEADINGS[model]}"
    yield docstring(model).short_description or ""
    shared = _shared_keys(model)
    yield keys_table(DescribedInput if model is DataInput else model, _HEADINGS, but=shared)
    if shared:
        heading = _HEADINGS[_AS_OF_A_STEP[model][0]]
        step = link(heading[0].lower() + heading[1:], heading)
        yield f"Same as for a {step}: {', '.join(map(code, shared))}."


def _shared_keys(model: type[Model]) -> list[str]:
    """The keys that mean the same in a step."""
    if model not in _AS_OF_A_STEP:
        return []
    step = _AS_OF_A_STEP[model][1]
    return [
        name
        for name, each in step.all_keys().items()
        if name in model.all_keys() and (each.ignored or not model.all_keys()[name].ignored)
    ]
