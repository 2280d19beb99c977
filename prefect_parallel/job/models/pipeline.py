"""A pipeline job, as it is written."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml

from prefect_parallel.document import Document, Section
from prefect_parallel.errors import InvalidPipeline, Problem, did_you_mean
from prefect_parallel.job.files.local_paths import make_paths_absolute
from prefect_parallel.job.format.model import Model, ignored, key, optional
from prefect_parallel.job.format.name_validators import as_asset
from prefect_parallel.job.format.types import (
    LITERAL_TYPES,
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
from prefect_parallel.job.models.components import (
    Component,
    PipelineComponentModel,
    Steps,
    type_data,
)
from prefect_parallel.job.models.io_models import (
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
    force_rerun: Boolean | None = optional(
        "Whether results of earlier runs are reused (`false`), as with `--reuse`, or not (`true`),"
        " even with `--reuse`. Unless it is given, `--reuse` decides.",
        examples=[False],
    )
    continue_on_failed_optional_input: Boolean | None = ignored()

    def __setattr__(self, name: str, value: Any) -> None:
        declared = self.all_keys().get(name)
        if declared is None and name not in ("given", "broken"):
            hint = did_you_mean(name, self.all_keys()) or f"known: {', '.join(self.all_keys())}"
            raise AttributeError(f"the settings have no {name!r}; {hint}")
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
        steps: Its steps: `jobs`, or those of its component.
        by_component: The component that has its steps; None if the job has them itself.
        ignored: Dotted paths of keys that have no effect here.
        unknown: Keys that are not known, as warnings, if it was loaded leniently.
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
    component: Text | None = optional(
        "The file of a pipeline component that has the steps, inputs and outputs; values of `jobs`"
        " then replace those of its steps.",
        examples=["./prepare.yml"],
    )
    jobs: dict[StepName, StepModel] = key(
        "The steps. Each runs when those whose outputs it reads are done.", factory=dict
    )
    services: Services | None = ignored()
    id: Anything = ignored()
    status: Anything = ignored()
    creation_context: Anything = ignored()
    log_files: Anything = ignored()

    def __init__(
        self,
        steps: Steps,
        *,
        document: Document | None = None,
        by_component: Component | None = None,
        changes: Any = None,
        **values: Any,
    ) -> None:
        super().__init__(**values)
        self.document = document or steps.document
        self.steps = steps
        self.by_component = by_component
        self.ignored: list[str] = []
        self.unknown: list[Problem] = []
        self._changes = changes

    @property
    def declared(self) -> PipelineComponentModel | None:
        """The component that has its steps; None if the job has them itself."""
        if self.by_component is None:
            return None
        assert isinstance(self.by_component.model, PipelineComponentModel)
        return self.by_component.model

    def __str__(self) -> str:
        """The YAML of the job, as `print(job)` shows it in Azure's SDK."""
        return self.to_yaml()

    @property
    def title(self) -> str:
        """The display name, else the name of the file."""
        return self.display_name or (self.path.stem if self.path else "pipeline")

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
        """The pipeline's inputs as parameters, in the order of the file.

        Optional inputs of the component of a job are parameters only if they are given.
        """
        given = {
            name: Parameter(name, value.type, value.path, value.description)
            if isinstance(value, DescribedInput)
            else Parameter(name, literal_type(value), value)
            for name, value in self.inputs.items()
        }
        if self.declared is None:
            return list(given.values())
        return [
            Parameter(
                name,
                each.type,
                given[name].default if name in given else each.default,
                each.description,
            )
            for name, each in self.declared.inputs.items()
            if name in given or each.default is not None or not each.optional
        ]

    def dump(self) -> dict[str, Any]:
        data = super().dump()
        if self.declared is not None:
            type_data(data.get("inputs", {}), self.declared.inputs)
        elif "jobs" in data:
            data["jobs"] = {name: self.steps.dump(name) for name in self.steps.jobs}
        return data

    def to_yaml(
        self, *, values: Mapping[str, Any] | None = None, absolute_paths: bool = False
    ) -> str:
        """YAML that loads to an equal job from the same folder.

        Args:
            values: What is put in place of the values of the pipeline's inputs.
            absolute_paths: Whether it loads to such a job from any folder and file: its paths are
                absolute, and its title is its display name.
        """
        data = self.dump()
        if self._changes is not None:
            data["jobs"] = deepcopy(self._changes)
        types = {each.name: each.type for each in self.parameters}
        for name, value in (values or {}).items():
            inputs = data.setdefault("inputs", {})
            if types[name] in LITERAL_TYPES:
                inputs[name] = value
            else:
                inputs.setdefault(name, {"type": types[name]})["path"] = str(value)
        if absolute_paths:
            make_paths_absolute(data, self.folder)
            data = {"type": "pipeline", "display_name": self.title} | data
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)
