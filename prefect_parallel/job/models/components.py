"""Component files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import Field, ValidationError

from prefect_parallel.document import Document, KeyPath, shown
from prefect_parallel.errors import InvalidPipeline, Problem
from prefect_parallel.job.files.locations import kind_of
from prefect_parallel.job.format.model import Model, Reading, optional, problems_of
from prefect_parallel.job.format.types import Anything, Count, Flag, LooseText, Name, Text
from prefect_parallel.job.format.validators import ChoiceValidator
from prefect_parallel.job.models.io_models import DeclaredInput, DeclaredOutput
from prefect_parallel.job.models.step_parts import (
    CommandResources,
    Distribution,
    EnvironmentValue,
    Task,
)
from prefect_parallel.job.models.steps import ParallelSettings
from prefect_parallel.job.syntax.expressions import whole
from prefect_parallel.yaml_file import read_document

COMPONENT_TYPES = ("parallel", "command")
_KIND = "The kind of step that it is for."


class ComponentModel(Model):
    """What component files have in common."""

    no_meaning: ClassVar[frozenset[str]] = frozenset(
        {"is_deterministic", "properties", "environment_variables"}
    )
    schema_: Text | None = Field(
        default=None, alias="$schema", description="Where editors find a schema."
    )
    type: Text
    name: Anything = optional("For people.")
    version: LooseText | None = optional("For people.")
    display_name: Text | None = optional("For people.")
    description: Text | None = optional("For people.")
    tags: dict[str, Anything] | None = optional("For people.")
    properties: dict[str, Anything] | None = None
    is_deterministic: Flag | None = None
    environment_variables: Anything = None
    inputs: dict[Name, DeclaredInput] = Field(
        default_factory=dict,
        description="What a step gives it.",
        examples=[{"depth": {"type": "integer", "default": 3, "min": 1}}],
    )
    outputs: dict[Name, DeclaredOutput] = Field(
        default_factory=dict,
        description="What it makes.",
        examples=[{"scores": {"type": "uri_file"}}],
    )
    code: Text | None = optional("The folder, or file, of the code; wins over the task's.")


class ParallelComponentModel(ComponentModel, ParallelSettings):
    """A parallel component."""

    type: Annotated[str, ChoiceValidator(("parallel",), any_case=True)] = Field(description=_KIND)
    task: Task = Field(description="What runs over each mini-batch.")
    instance_count: Count | None = optional("In place of `resources.instance_count`.")


class CommandComponentModel(ComponentModel):
    """A command component."""

    no_meaning: ClassVar[frozenset[str]] = ComponentModel.no_meaning | {"distribution"}

    type: Annotated[str, ChoiceValidator(("command",), any_case=True)] = Field(description=_KIND)
    command: Text = Field(description="What `bash` runs.")
    environment: EnvironmentValue = Field(
        description="What the command needs, in place or by its name in Azure ML."
    )
    resources: CommandResources | None = optional("A command step runs on one node.")
    distribution: Distribution | None = None
    environment_variables: dict[str, Anything] | None = None


AnyComponent: TypeAlias = ParallelComponentModel | CommandComponentModel
_MODELS: dict[str, type[AnyComponent]] = {
    "parallel": ParallelComponentModel,
    "command": CommandComponentModel,
}
_UNBOUND = (
    "mini_batch_size",
    "max_concurrency_per_instance",
    "mini_batch_error_threshold",
    "error_threshold",
    "logging_level",
    "instance_count",
)


@dataclass
class Component:
    """A component file that a step names."""

    document: Document
    model: AnyComponent
    ignored: list[KeyPath]


def open_component(named: str, pipeline: Document, step_path: KeyPath) -> Document:
    """The component file that a step names.

    Args:
        named: What stands after `component:`.
        pipeline: The document of the step.
        step_path: Where the step stands in it.

    Raises:
        InvalidPipeline: There is none, or it is no YAML file of a component.
    """
    path = (*step_path, "component")
    if named.startswith("azureml:"):
        problem = pipeline.problem(
            path,
            f"{named} is registered in a workspace, which cannot be asked from here",
            allowed="the path of a component file",
            hint="download it: az ml component show --name NAME --version VERSION > component.yml",
        )
        raise InvalidPipeline([problem])
    name = named.removeprefix("file:")
    file = pipeline.folder / name
    if kind_of(file) != "file":
        raise InvalidPipeline([pipeline.problem(path, f"there is no file {file}")])
    shown_as = str(Path(pipeline.file).parent / name) if pipeline.file else str(file)
    document = read_document(file, InvalidPipeline, shown_as, (*pipeline.prefix, *path))
    of_type = document.data.get("type")
    if isinstance(of_type, str):
        of_type = of_type.lower()
    if of_type not in COMPONENT_TYPES:
        found = "the key is missing" if of_type is None else f"found {shown(of_type)}"
        problem = document.problem(("type",), found, allowed=" or ".join(COMPONENT_TYPES))
        raise InvalidPipeline([problem])
    return document


def read_component(document: Document, wanted_type: str | None) -> Component:
    """The component in a document.

    Args:
        document: From `open_component`.
        wanted_type: The type that the step gives itself, if it does.

    Raises:
        InvalidPipeline: It has mistakes, or is of another type.
    """
    of_type = document.data["type"].lower()
    if wanted_type is not None and wanted_type != of_type:
        message = f"a {of_type} component, but the step says {wanted_type}"
        raise InvalidPipeline([document.problem(("type",), message)])
    reading = Reading(document)
    try:
        model = _MODELS[of_type].model_validate(document.data, context=reading)
    except ValidationError as error:
        raise InvalidPipeline(problems_of(error, reading)) from None
    problems = list(reading.problems)
    problems += _bindings_in(document, model)
    if isinstance(model, ParallelComponentModel) and model.instance_count and model.resources:
        hint = "move it to resources.instance_count"
        message = "instance_count stands here, and there are resources too"
        problems.append(document.problem(("instance_count",), message, hint=hint))
    if problems:
        raise InvalidPipeline(problems)
    return Component(document, model, reading.ignored)


def _bindings_in(document: Document, model: AnyComponent) -> list[Problem]:
    """Expressions in settings: a component cannot know the inputs of a pipeline."""
    found: list[tuple[KeyPath, Any]] = [((name,), getattr(model, name, None)) for name in _UNBOUND]
    if model.resources is not None:
        found.append((("resources", "instance_count"), model.resources.instance_count))
    return [
        document.problem(keys, f"{value} cannot stand in a component", hint="set it on the step")
        for keys, value in found
        if whole(value)
    ]
