"""Azure ML's schedule YAML: when a pipeline runs, and which of its settings are replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from prefect_parallel.data import Datastores
from prefect_parallel.deploy.trigger import Trigger
from prefect_parallel.document import Document, Section, dotted, shown
from prefect_parallel.errors import InvalidFile, InvalidPipeline, advice_for
from prefect_parallel.job.format.model import Model, ignored, key, optional
from prefect_parallel.job.format.types import Anything, Text, TextOrNull
from prefect_parallel.job.format.validators import ChoiceValidator, TextValidator
from prefect_parallel.job.loading.load import job_from
from prefect_parallel.job.loading.overrides import apply_overrides, merge
from prefect_parallel.job.models.pipeline import PipelineJob
from prefect_parallel.yaml_file import read_document
from prefect_parallel.yaml_schema import Diagnostics, Either


class InvalidSchedule(InvalidFile):
    """A schedule file has mistakes."""


_CHANGE = "Replaces the pipeline's value; mappings are merged."


class CreateJobModel(Model):
    """The pipeline to run, and values that replace its own; paths in them start from its folder."""

    type: Annotated[str, ChoiceValidator(("pipeline",), any_case=True)] = key(
        "The kind of job.", default="pipeline"
    )
    job: Text = key("The pipeline's file.", examples=["./pipeline.yml"])
    name: Anything = optional(_CHANGE)
    display_name: Anything = optional(_CHANGE)
    description: Anything = optional(_CHANGE)
    experiment_name: Anything = optional(_CHANGE)
    tags: Anything = optional(_CHANGE)
    properties: Anything = optional(_CHANGE)
    identity: Anything = optional(_CHANGE)
    services: Anything = optional(_CHANGE)
    compute: Anything = optional(_CHANGE)
    settings: Anything = optional(_CHANGE)
    inputs: Anything = optional(_CHANGE)
    outputs: Anything = optional(_CHANGE)


CreateJob = Annotated[CreateJobModel | str, Either(CreateJobModel, TextValidator())]


class ScheduleModel(Model):
    """A schedule file."""

    schema_: Anything = key("The JSON schema, for editors.", default=None, name="$schema")
    name: Text | None = optional("The deployment's name; by default that of the pipeline's file.")
    display_name: Text | None = ignored()
    description: Text | None = optional("The deployment's description.")
    tags: dict[str, TextOrNull] = key(
        "The deployment's tags.", factory=dict, examples=[{"owner": "sales"}]
    )
    properties: dict[str, TextOrNull] | None = ignored()
    trigger: Trigger = key("When the pipeline runs.")
    create_job: CreateJob = key(
        "The pipeline's file, or a mapping with it and values that replace its own.",
        examples=["./pipeline.yml", {"job": "./pipeline.yml", "inputs": {"rows": 5}}],
    )


@dataclass(frozen=True)
class ScheduleFile:
    """A validated schedule file.

    Attributes:
        pipeline: The pipeline's file.
        ignored: Paths of keys that have no effect outside Azure ML.
    """

    model: ScheduleModel
    document: Document
    pipeline: Path
    ignored: list[str]

    @classmethod
    def load(cls, file: Path) -> ScheduleFile:
        """Load and validate a schedule file.

        Raises:
            InvalidFile: The file has mistakes.
        """
        document = read_document(file, InvalidSchedule)
        reading = Diagnostics(document)
        model = ScheduleModel.read(document.data, (), reading)
        if reading.problems:
            raise InvalidSchedule(reading.problems)
        ignored = [dotted(path) for path in reading.ignored]
        return cls(model, document, _pipeline_of(model, document), ignored)

    def load_job(
        self,
        overrides: Sequence[str] = (),
        datastores: Datastores | None = None,
        *,
        lenient: bool = False,
    ) -> PipelineJob:
        """The pipeline with the values of `create_job`, and then with overrides.

        Raises:
            InvalidPipeline: The pipeline has mistakes.
            InvalidSchedule: `create_job` has values for inputs that the pipeline lacks.
        """
        document = read_document(self.pipeline, InvalidPipeline)
        changes = self.document.data["create_job"]
        if isinstance(changes, Section):
            self._check_inputs(changes, document)
            values = {key: changes[key] for key in changes if key not in ("job", "type")}
            merge(document, values, self.document, changes.path)
        apply_overrides(document, overrides)
        return job_from(document, datastores, lenient=lenient)

    def _check_inputs(self, changes: Section, pipeline: Document) -> None:
        """Refuse values for inputs that the pipeline does not have; its component may have them."""
        known, given = pipeline.data.get("inputs") or {}, changes.get("inputs") or {}
        if not isinstance(given, dict):
            path = (*changes.path, "inputs")
            problem = self.document.problem(path, f"found {shown(given)}", allowed="a mapping")
            raise InvalidSchedule([problem])
        if "component" in pipeline.data or not isinstance(known, dict):
            return
        problems = [
            self.document.problem(
                (*changes.path, "inputs", name),
                "the pipeline has no such input",
                **advice_for(name, known),
                of_key=True,
            )
            for name in given
            if name not in known
        ]
        if problems:
            raise InvalidSchedule(problems)

    def problem(self, key: str, message: str, *, hint: str | None = None) -> InvalidSchedule:
        """An error about a key that is found after loading."""
        return InvalidSchedule([self.document.problem((key,), message, hint=hint)])


def _pipeline_of(model: ScheduleModel, document: Document) -> Path:
    """The file that `create_job` names.

    Raises:
        InvalidSchedule: The file does not exist, or is in an Azure ML workspace.
    """
    path: tuple[str, ...] = ("create_job",)
    job = model.create_job
    if isinstance(job, CreateJobModel):
        path, job = (*path, "job"), job.job
    if job.startswith("azureml:"):
        message = f"{job} is in an Azure ML workspace"
        hint = "download it: az ml job show --name NAME > pipeline.yml"
        raise InvalidSchedule([document.problem(path, message, hint=hint)])
    file = document.folder / job.removeprefix("file:")
    if not file.is_file():
        raise InvalidSchedule([document.problem(path, f"no such file: {file}")])
    return file
