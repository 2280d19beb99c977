"""Component files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from prefect_parallel.document import Document
from prefect_parallel.job.format.model import Model, ignored, key, optional
from prefect_parallel.job.format.types import Anything, Boolean, LooseText, Name, Text
from prefect_parallel.job.models.io_models import DeclaredInput, DeclaredOutput
from prefect_parallel.job.models.step_parts import (
    CommandResources,
    Distribution,
    EnvironmentValue,
    Task,
)
from prefect_parallel.job.models.steps import PROPERTIES, CommandType, ParallelKeys, ParallelType
from prefect_parallel.job.settings.parallel_settings import keys_at_top

_KIND = "The kind of step that it describes."


class ComponentModel(Model):
    """The keys that all components have in common."""

    schema_: Text | None = key("Where editors find a schema.", default=None, name="$schema")
    type: Text
    name: Anything = optional("Informational.")
    version: LooseText | None = optional("Informational.")
    display_name: Text | None = optional("Informational.")
    description: Text | None = optional("Informational.")
    tags: dict[str, Anything] | None = optional("Informational.")
    properties: dict[str, Anything] | None = ignored()
    is_deterministic: Boolean | None = ignored()
    environment_variables: Anything = ignored()
    inputs: dict[Name, DeclaredInput] = key(
        "What a step gives it.",
        factory=dict,
        examples=[{"depth": {"type": "integer", "default": 3, "min": 1}}],
    )
    outputs: dict[Name, DeclaredOutput] = key(
        "What it writes.",
        factory=dict,
        examples=[{"scores": {"type": "uri_file"}}],
    )
    code: Text | None = optional("The folder or file of the code; wins over the task's.")


class ParallelComponentModel(ComponentModel, ParallelKeys, declared=keys_at_top):
    """A parallel component."""

    type: ParallelType = key(_KIND)
    properties: dict[str, Anything] | None = PROPERTIES
    task: Task = key("What runs over each mini-batch.")


class CommandComponentModel(ComponentModel):
    """A command component."""

    type: CommandType = key(_KIND)
    command: Text = key("What `bash` runs.")
    environment: EnvironmentValue = key(
        "The packages that the command needs, inline or by the environment's name in Azure ML."
    )
    resources: CommandResources | None = optional("A command step runs on one node.")
    distribution: Distribution | None = ignored()
    environment_variables: dict[str, Anything] | None = ignored()


AnyComponent: TypeAlias = ParallelComponentModel | CommandComponentModel
COMPONENT_MODELS: Mapping[str, type[AnyComponent]] = {
    "parallel": ParallelComponentModel,
    "command": CommandComponentModel,
}
"""By the type of step."""


@dataclass(frozen=True)
class Component:
    """A component file that a step names."""

    document: Document
    model: AnyComponent
