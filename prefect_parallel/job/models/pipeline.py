"""A pipeline job, as it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml

from prefect_parallel.document import Document, Section
from prefect_parallel.errors import InvalidPipeline
from prefect_parallel.job.files.local_paths import make_paths_absolute
from prefect_parallel.job.format.model import Model, ignored, key, optional
from prefect_parallel.job.format.name_validators import as_asset
from prefect_parallel.job.format.types import (
    Anything,
    Boolean,
    ComputeName,
    DatastoreName,
    Name,
    StepName,
    Text,
    TextOrNull,
    literal_type,
)
from prefect_parallel.job.format.validators import ChoiceValidator
from prefect_parallel.job.models.components import Component
from prefect_parallel.job.models.io_models import (
    DataInput,
    DescribedInput,
    NamedOutput,
    PipelineInputValue,
)
from prefect_parallel.job.models.step_parts import Identity, Services
from prefect_parallel.job.models.steps import StepModel
from prefect_parallel.yaml_schema import Diagnostics


class Settings(Model):
    """Settings for all steps. Assigned in Python, names need no `azureml:`."""

    default_compute: ComputeName | None = optional(
        "The compute of steps that name none.", examples=["azureml:cpu-cluster"]
    )
    default_datastore: DatastoreName | None = optional(
        "The value of `${{default_datastore}}`.", examples=["azureml:sales"]
    )
    continue_on_step_failure: Boolean = key(
        "Whether steps that do not depend on a failed one still run.", default=False
    )
    force_rerun: Boolean | None = ignored()
    continue_on_failed_optional_input: Boolean | None = ignored()

    def __setattr__(self, name: str, value: Any) -> None:
        declared = self.all_keys().get(name)
        if declared is not None and not (value is None and declared.default is None):
            if name.startswith("default_") and isinstance(value, str):
                value = as_asset(value)
            reading = Diagnostics(Document(None, Section()))
            value = declared.schema.read(value, ("settings", name), reading)
            if reading.problems:
                raise InvalidPipeline(reading.problems)
        super().__setattr__(name, value)


@dataclass(frozen=True)
class Parameter:
    """An input of the pipeline, as a parameter of the flow.

    Attributes:
        type: "string", "integer", "number" or "boolean"; for data, the data's type.
        default: The literal, or the path as written; None if a value must be given.
    """

    name: str
    type: str
    default: str | int | float | bool | None
    description: str | None = None


class PipelineJob(Model):
    """A pipeline of steps, as it is written, with the component files that it names.

    Made by `load_pipeline`, or by the builder. Two jobs are equal if the same is written in them.

    Attributes:
        document: What it was read from.
        components: Step -> the component file that it names; without those that have errors.
        ignored: Dotted paths of keys that have no effect here.
    """

    schema_: Anything = key("Where editors find a schema.", default=None, name="$schema")
    type: Annotated[str, ChoiceValidator(("pipeline",))] = key("The kind of job.")
    name: Text | None = ignored()
    display_name: Text | None = optional(
        "The name of flow runs and run directories; by default the file's name."
    )
    experiment_name: Text | None = ignored()
    description: Text | None = optional("Description of the flow.")
    tags: dict[str, TextOrNull] = key(
        "Tags of the flow run.", factory=dict, examples=[{"owner": "sales"}]
    )
    properties: dict[str, TextOrNull] | None = ignored()
    compute: Text | None = optional("The compute of steps that name none; wins over the settings'.")
    identity: Identity | None = ignored()
    settings: Settings = key("Settings for all steps.", factory=Settings)
    inputs: dict[Name, PipelineInputValue] = key(
        "The values and data of a run. They are the flow's parameters, for which the Prefect UI"
        " shows a form.",
        factory=dict,
        examples=[{"rows": 5, "model": {"type": "uri_folder", "path": "./model"}}],
    )
    outputs: dict[Name, NamedOutput] = key(
        "What the pipeline writes; steps' outputs are bound to it.", factory=dict
    )
    jobs: dict[StepName, StepModel] = key(
        "The steps. Each runs when those whose outputs it reads are done."
    )
    services: Services | None = ignored()
    id: Anything = ignored()
    status: Anything = ignored()
    creation_context: Anything = ignored()
    log_files: Anything = ignored()

    def __init__(
        self,
        document: Document,
        components: Mapping[str, Component],
        ignored: list[str],
        **values: Any,
    ) -> None:
        super().__init__(**values)
        self.document = document
        self.components = components
        self.ignored = ignored
        if self.jobs is None:  # It is broken.
            self.jobs = {}

    def __str__(self) -> str:
        """The YAML of the job, as `print(job)` shows it in Azure's SDK."""
        return self.to_yaml()

    @property
    def path(self) -> Path | None:
        """The file it was read from; None if it was made in Python."""
        file = self.document.file
        return self.folder / Path(file).name if file else None

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self.document.folder

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
        """Whether the step, its names of inputs and outputs and its component could be read."""
        model = self.jobs[step]
        if model is None or (hasattr(model, "component") and step not in self.components):
            return False
        return all(name.isidentifier() for name in (*model.inputs, *model.outputs))

    def to_yaml(
        self, *, values: Mapping[str, Any] | None = None, absolute_paths: bool = False
    ) -> str:
        """YAML that loads to an equal job from the same folder, with absolute paths from any.

        `values` are put in place of those of the pipeline's inputs.
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
