"""Component files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from prefect_parallel.document import Document
from prefect_parallel.job.format.model import Model, ignored, key, optional
from prefect_parallel.job.format.types import (
    DATA_TYPES,
    Anything,
    Boolean,
    LooseText,
    Name,
    StepName,
    Text,
)
from prefect_parallel.job.models.io_models import DeclaredInput, DeclaredOutput
from prefect_parallel.job.models.step_parts import (
    CommandResources,
    Distribution,
    EnvironmentValue,
    Task,
)
from prefect_parallel.job.models.steps import (
    PROPERTIES,
    CommandType,
    ParallelKeys,
    ParallelType,
    PipelineStepModel,
    PipelineType,
    StepModel,
)
from prefect_parallel.job.settings.parallel_settings import keys_at_top
from prefect_parallel.job.syntax.expressions import whole

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


class ParallelComponentModel(ComponentModel, ParallelKeys, declared=keys_at_top):
    """A parallel component."""

    type: ParallelType = key(_KIND)
    properties: dict[str, Anything] | None = PROPERTIES
    code: Text | None = optional("The folder or file of the code; wins over the task's.")
    task: Task = key("What runs over each mini-batch.")


class CommandComponentModel(ComponentModel):
    """A command component."""

    type: CommandType = key(_KIND)
    command: Text = key("What `bash` runs.")
    code: Text | None = optional("The folder or file of the code.")
    environment: EnvironmentValue = key(
        "The packages that the command needs, inline or by the environment's name in Azure ML."
    )
    resources: CommandResources | None = optional("A command step runs on one node.")
    distribution: Distribution | None = ignored()
    environment_variables: dict[str, Anything] | None = ignored()


class PipelineComponentModel(ComponentModel):
    """A pipeline component: steps that are used as one step, or by a pipeline as all of its own."""

    type: PipelineType = key(_KIND)
    compute: Anything = ignored()
    settings: Anything = ignored()
    jobs: dict[StepName, StepModel] = key("The steps, as in a pipeline.")


AnyComponent: TypeAlias = ParallelComponentModel | CommandComponentModel | PipelineComponentModel
COMPONENT_MODELS: Mapping[str, type[AnyComponent]] = {
    "parallel": ParallelComponentModel,
    "command": CommandComponentModel,
    "pipeline": PipelineComponentModel,
}
"""By the type of step."""


@dataclass(frozen=True)
class Component:
    """A component file that a step names."""

    document: Document
    model: AnyComponent


@dataclass(frozen=True)
class Steps:
    """The steps of a pipeline, and the files that they name.

    Attributes:
        document: The file in which the steps are.
        components: Step -> the component file that it names; without those that have errors.
        nested: Step -> the steps of the nested pipeline that it is; likewise.
    """

    document: Document
    jobs: Mapping[str, StepModel]
    components: Mapping[str, Component]
    nested: Mapping[str, Steps]

    def dump(self, step: str) -> dict[str, Any]:
        """A step as plain values for YAML."""
        data = self.jobs[step].dump()
        self._type_data(step, data)
        return data

    def _type_data(self, step: str, data: dict[str, Any]) -> None:
        if step in self.components:
            type_data(data.get("inputs", {}), self.components[step].model.inputs)
        elif step in self.nested:
            for name, inner in data["jobs"].items():
                self.nested[step]._type_data(name, inner)

    def is_read(self, step: str) -> bool:
        """Whether the step, its names of inputs and outputs and its component could be read."""
        model = self.jobs[step]
        if model is None or (hasattr(model, "component") and step not in self._files_of(model)):
            return False
        return all(name.isidentifier() for name in (*model.inputs, *model.outputs))

    def _files_of(self, model: StepModel) -> Mapping[str, object]:
        return self.nested if isinstance(model, PipelineStepModel) else self.components


def type_data(inputs: dict[str, Any], declared: Mapping[str, DeclaredInput]) -> None:
    """Write data that is given by its path alone as a mapping, with the type in a component."""
    for name, value in inputs.items():
        of_type = declared[name].type if name in declared else None
        if of_type in DATA_TYPES and isinstance(value, str) and whole(value) is None:
            inputs[name] = {"type": of_type, "path": value}
