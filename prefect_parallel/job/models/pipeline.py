"""A pipeline job, as it is written."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import yaml
from pydantic import ConfigDict, Field, PrivateAttr, ValidationInfo, field_validator

from prefect_parallel.document import Document
from prefect_parallel.job.files.local_paths import make_paths_absolute
from prefect_parallel.job.format.model import Model, optional
from prefect_parallel.job.format.name_validators import as_asset
from prefect_parallel.job.format.types import (
    Anything,
    ComputeName,
    DatastoreName,
    Flag,
    Name,
    StepName,
    Text,
    TextOrNull,
    literal_type,
)
from prefect_parallel.job.format.validators import ChoiceValidator
from prefect_parallel.job.models.components import Component, ParallelComponentModel
from prefect_parallel.job.models.io_models import (
    DataInput,
    DescribedInput,
    NamedOutput,
    PipelineInputValue,
)
from prefect_parallel.job.models.step_parts import Identity, Services
from prefect_parallel.job.models.steps import (
    ParallelComponentStepModel,
    ParallelStepModel,
    StepModel,
)
from prefect_parallel.job.resolution.effective_settings import InForce, in_force
from prefect_parallel.job.syntax.expressions import whole

if TYPE_CHECKING:
    from prefect_parallel.job.resolution.resolved import ResolvedJob


class Settings(Model):
    """Settings for all steps. What is assigned to them in Python needs no `azureml:`."""

    model_config = ConfigDict(validate_assignment=True)

    no_meaning: ClassVar[frozenset[str]] = frozenset(
        {"force_rerun", "continue_on_failed_optional_input"}
    )

    default_compute: ComputeName | None = optional(
        "The compute of steps that name none.", examples=["azureml:cpu-cluster"]
    )
    default_datastore: DatastoreName | None = optional(
        "What `${{default_datastore}}` stands for.", examples=["azureml:sales"]
    )
    continue_on_step_failure: Flag = Field(
        default=False, description="Whether steps that do not need a failed one still run."
    )
    force_rerun: Flag | None = None
    continue_on_failed_optional_input: Flag | None = None

    @field_validator("default_compute", "default_datastore", mode="before")
    @classmethod
    def _complete(cls, value: Any, info: ValidationInfo) -> Any:
        assigned = info.context is None
        return as_asset(value) if assigned and isinstance(value, str) else value


@dataclass(frozen=True)
class Parameter:
    """An input of the pipeline, as a parameter of the flow.

    Attributes:
        name: Its name.
        type: "string", "integer", "number" or "boolean"; for data, the data's type.
        default: The literal, or the path as written; None if one must be given.
        description: What the author says of it.
    """

    name: str
    type: str
    default: str | int | float | bool | None
    description: str | None = None


class PipelineJob(Model):
    """A pipeline of steps, as it is written.

    What its component files hold is kept beside it. Made by `load_pipeline`, or by the builder. Two
    are equal when the same is written in them.
    """

    no_meaning: ClassVar[frozenset[str]] = frozenset(
        {
            "name",
            "experiment_name",
            "properties",
            "identity",
            "services",
            "id",
            "status",
            "creation_context",
            "log_files",
        }
    )
    schema_: Anything = Field(
        default=None, alias="$schema", description="Where editors find a schema."
    )
    type: Annotated[str, ChoiceValidator(("pipeline",))] = Field(description="The kind of job.")
    name: Text | None = None
    display_name: Text | None = optional(
        "What flow runs and run directories are called; by default after the file."
    )
    experiment_name: Text | None = None
    description: Text | None = optional("For people: of the flow.")
    tags: dict[str, TextOrNull] = Field(
        default_factory=dict, description="Those of the flow run.", examples=[{"owner": "sales"}]
    )
    properties: dict[str, TextOrNull] | None = None
    compute: Text | None = optional("The compute of steps that name none; wins over the settings'.")
    identity: Identity | None = None
    settings: Settings = Field(default_factory=Settings, description="Settings for all steps.")
    inputs: dict[Name, PipelineInputValue] = Field(
        default_factory=dict,
        description="What a run is given: values and data. They are the flow's parameters, of which"
        " the Prefect UI makes a form.",
        examples=[{"rows": 5, "model": {"type": "uri_folder", "path": "./model"}}],
    )
    outputs: dict[Name, NamedOutput] = Field(
        default_factory=dict, description="What the pipeline makes; steps' outputs are bound to it."
    )
    jobs: dict[StepName, StepModel] = Field(
        description="The steps. Each runs once those are done whose outputs it reads."
    )
    services: Services | None = None
    id: Anything = None
    status: Anything = None
    creation_context: Anything = None
    log_files: Anything = None

    _document: Document = PrivateAttr()
    _components: dict[str, Component] = PrivateAttr(default_factory=dict)
    _unread: set[str] = PrivateAttr(default_factory=set)
    _ignored: list[str] = PrivateAttr(default_factory=list)

    def attach(
        self,
        document: Document,
        components: dict[str, Component],
        ignored: list[str],
        unread: Collection[str] = (),
    ) -> None:
        """Keep beside it what it was read from, and the names of steps that could not be read."""
        self._document = document
        self._components = components
        self._ignored = ignored
        self._unread = set(unread)

    @property
    def path(self) -> Path | None:
        """The file it was read from; None if it was made in Python."""
        document = self._document
        return document.folder / Path(document.file).name if document.file else None

    @property
    def folder(self) -> Path:
        """What relative paths count from."""
        return self._document.folder

    @property
    def document(self) -> Document:
        return self._document

    @property
    def components(self) -> Mapping[str, Component]:
        """Step -> the component file that it names."""
        return self._components

    @property
    def ignored(self) -> list[str]:
        """What of it has no meaning here: dotted paths, each once."""
        return list(self._ignored)

    @property
    def parameters(self) -> list[Parameter]:
        """The pipeline's inputs as parameters, in the order of the file."""
        return [
            Parameter(name, value.type, value.path, value.description)
            if isinstance(value, DescribedInput)
            else Parameter(name, literal_type(value), value)
            for name, value in self.inputs.items()
        ]

    def is_read(self, step: str) -> bool:
        """Whether the step, and the component that it may name, could be read."""
        if step in self._unread:
            return False
        return not hasattr(self.jobs[step], "component") or step in self._components

    @property
    def step_names(self) -> list[str]:
        """All steps, those included that could not be read."""
        return [*self.jobs, *self._unread]

    def settings_of(self, step: str) -> InForce:
        """The settings of a parallel step that count, its component's included."""
        model = self.jobs[step]
        assert isinstance(model, (ParallelStepModel, ParallelComponentStepModel))
        component = self._components.get(step)
        lent = component.model if component else None
        assert lent is None or isinstance(lent, ParallelComponentModel)
        return in_force(model, lent)

    def graph(self) -> dict[str, set[str]]:
        """Step -> the steps whose outputs it reads."""
        return {
            name: {
                source
                for value in step.inputs.values()
                if (source := self._source_of(value)) in self.jobs
            }
            for name, step in self.jobs.items()
        }

    def _source_of(self, value: Any) -> str | None:
        """The step whose output an input is, perhaps by way of other steps' inputs."""
        seen: set[tuple[str, str]] = set()
        while True:
            expression = whole(value.path if isinstance(value, DataInput) else value)
            match expression.words if expression else ():
                case ("parent", "jobs", step, "outputs", _):
                    return step
                case ("parent", "jobs", step, "inputs", name) if (
                    step in self.jobs
                    and name in self.jobs[step].inputs
                    and (step, name) not in seen
                ):
                    seen.add((step, name))
                    value = self.jobs[step].inputs[name]
                case _:
                    return None

    def resolve(self, values: Mapping[str, Any] | None = None) -> ResolvedJob:
        """What runs: every value put in, every default filled in.

        Args:
            values: Values for the pipeline's inputs; for the others their own count.

        Raises:
            InvalidPipeline: A value does not fit, or anything else that `load_pipeline` checks.
        """
        from prefect_parallel.job.resolution.resolve import resolve

        return resolve(self, values or {})

    def dump(self) -> dict[str, Any]:
        """What is written in it, as plain values."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def to_yaml(
        self, *, values: Mapping[str, Any] | None = None, absolute_paths: bool = False
    ) -> str:
        """YAML that loads to an equal job, from the same folder.

        Args:
            values: Values for the pipeline's inputs, to stand in place of their own.
            absolute_paths: Make it load from any folder.
        """
        data = self.dump()
        for name, value in (values or {}).items():
            if isinstance(self.inputs[name], DataInput):
                data["inputs"][name]["path"] = str(value)
            else:
                data["inputs"][name] = value
        if absolute_paths:
            make_paths_absolute(data, self.folder)
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PipelineJob):
            return NotImplemented
        return self.model_dump() == other.model_dump()

    __hash__ = None  # type: ignore[assignment]
