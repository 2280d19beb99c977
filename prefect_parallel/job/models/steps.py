"""Parallel and command steps, as they are written: in place, or by a component."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Discriminator, Field, Tag

from prefect_parallel.job.format.model import Model, optional, tag
from prefect_parallel.job.format.types import (
    Anything,
    Count,
    FixedCount,
    Level,
    Name,
    Scalar,
    Size,
    Text,
    TextOrNull,
    Texts,
    Threshold,
)
from prefect_parallel.job.format.validators import ChoiceValidator
from prefect_parallel.job.models.io_models import CommandOutputValue, InputValue, OutputValue
from prefect_parallel.job.models.step_parts import (
    CommandResources,
    Distribution,
    EnvironmentValue,
    Identity,
    InlineCommandResources,
    InlineLimits,
    Limits,
    QueueSettings,
    Resources,
    RetrySettings,
    Services,
    Task,
)

# Spec section 4.
DEFAULT_THRESHOLD = -1
DEFAULT_LOGGING_LEVEL = "INFO"

STEP_TYPES = ("parallel", "command")
_KIND = "The kind of step; may be left out where other keys tell it."
_PARALLEL = Annotated[str, ChoiceValidator(("parallel",), any_case=True), Field(description=_KIND)]
_COMMAND = Annotated[str, ChoiceValidator(("command",), any_case=True), Field(description=_KIND)]
_COMPONENT = "The file that the rest is in; what stands here wins."


def _variables() -> Any:
    # Older pydantics write into a field what they know of it: each model needs one of its own.
    return Field(
        default_factory=dict,
        description="Of the script's or command's process. `{{ prefect.blocks.secret.NAME }}` in a"
        " value stands for what Prefect keeps.",
        examples=[{"TOKEN": "{{ prefect.blocks.secret.my-token }}"}],
    )


class ParallelSettings(Model):
    """What a parallel step and a parallel component have in common."""

    input_data: Text | None = optional(
        "The input that is split into mini-batches; must be given.", examples=["${{inputs.rows}}"]
    )
    mini_batch_size: Size | None = optional(
        "What one `run` gets: so many files, 10 by default; of a table, about so many bytes, 1 MB"
        " by default.",
        examples=["100", "10kb"],
    )
    partition_keys: list[Text] | None = optional(
        "Names of columns: what has the same values in them is one mini-batch. They win over"
        " `mini_batch_size`.",
        examples=[["store", "brand"]],
    )
    resources: Resources | None = optional("The nodes.")
    max_concurrency_per_instance: Count | None = optional(
        "The slots of a node: so many mini-batches run at a time. By default 1 on a node with GPUs,"
        " else as many as it has cores."
    )
    retry_settings: RetrySettings | None = optional("What a failed attempt is followed by.")
    mini_batch_error_threshold: Threshold | None = optional(
        "So many failed mini-batches are ignored; with one more, the step fails at once. -1: any"
        " number.",
        default=DEFAULT_THRESHOLD,
    )
    error_threshold: Threshold | None = optional(
        "The same of failed items. The program argument `--error_threshold` wins.",
        default=DEFAULT_THRESHOLD,
    )
    logging_level: Level | None = optional(
        "From which level on the script's log is kept.", default=DEFAULT_LOGGING_LEVEL
    )


class Step(Model):
    """What all steps have in common."""

    no_meaning: ClassVar[frozenset[str]] = frozenset(
        {"name", "experiment_name", "identity", "properties", "comment", "services"}
    )

    type: Text
    name: Text | None = None
    display_name: Text | None = optional("For people.")
    description: Text | None = optional("For people.")
    experiment_name: Text | None = None
    tags: dict[str, Anything] | None = optional("For people.")
    properties: dict[str, TextOrNull] | None = None
    compute: Text | None = optional(
        "The `Compute` block of this name; `serverless`, or a name without a block: this machine."
        " By default the pipeline's.",
        examples=["azureml:cpu-cluster"],
    )
    identity: Identity | None = None
    services: Anything = None
    inputs: dict[Name, InputValue] = Field(
        default_factory=dict,
        description="What the step reads: values, data, inputs of the pipeline, outputs of steps.",
        examples=[
            {
                "rows": {"type": "mltable", "path": "./rows", "mode": "direct"},
                "model": "${{parent.jobs.train.outputs.model}}",
            }
        ],
    )
    outputs: dict[Name, OutputValue] = Field(
        default_factory=dict,
        description="What the step makes.",
        examples=[{"scores": {"type": "uri_file"}, "report": "${{parent.outputs.report}}"}],
    )


class ParallelStepModel(Step, ParallelSettings):
    """A parallel step in place."""

    type: _PARALLEL = "parallel"
    environment_variables: dict[str, Text] = _variables()
    task: Task = Field(description="What runs over each mini-batch.")


class ParallelComponentStepModel(Step, ParallelSettings):
    """A parallel step by a component; what it sets itself wins."""

    no_meaning: ClassVar[frozenset[str]] = Step.no_meaning | {
        "instance_type",
        "shm_size",
        "docker_args",
    }

    type: _PARALLEL = "parallel"
    component: Text = Field(description=_COMPONENT, examples=["./score.yml"])
    comment: Text | None = None
    environment_variables: dict[str, Text] = _variables()
    task: Task | None = optional("What runs over each mini-batch, in place of the component's.")
    instance_count: FixedCount | None = optional("Wins over `resources.instance_count`.")
    instance_type: Text | None = None
    shm_size: Text | None = None
    docker_args: Texts | None = None


class CommandSettings(Step):
    """What command steps have in common, however they are written."""

    no_meaning: ClassVar[frozenset[str]] = Step.no_meaning | {"distribution", "queue_settings"}

    type: _COMMAND = "command"
    services: Services | None = None
    environment_variables: dict[str, Scalar] = _variables()
    distribution: Distribution | None = None
    queue_settings: QueueSettings | None = None


class CommandStepModel(CommandSettings):
    """A command step in place."""

    tags: dict[str, TextOrNull] | None = optional("For people.")
    outputs: dict[Name, CommandOutputValue] = Field(
        default_factory=dict,
        description="What the step makes; text binds it to an output of the pipeline.",
        examples=[{"report": {"type": "uri_folder"}}],
    )
    command: Text = Field(
        description='What `bash` runs. Values are passed as quoted variables: as safe as `"$1"` in'
        " a script.",
        examples=["python train.py --data ${{inputs.rows}} --to ${{outputs.model}}"],
    )
    code: Text | None = optional(
        "The folder, or file, whose snapshot is the command's working directory."
    )
    environment: EnvironmentValue = Field(
        description="What the command needs, in place or by its name in Azure ML.",
        examples=["azureml:training:1"],
    )
    resources: InlineCommandResources | None = optional("A command step runs on one node.")
    limits: InlineLimits | None = optional("What ends it.")


class CommandComponentStepModel(CommandSettings):
    """A command step by a component."""

    no_meaning: ClassVar[frozenset[str]] = CommandSettings.no_meaning | {"command", "code"}

    component: Text = Field(description=_COMPONENT, examples=["./score.yml"])
    comment: Text | None = None
    command: Text | None = None
    code: Text | None = None
    environment: EnvironmentValue | None = optional("In place of the component's.")
    resources: CommandResources | None = optional("A command step runs on one node.")
    limits: Limits | None = optional("What ends it.")


def step_type(step: Any) -> str | None:
    """The type of a step as written: what it says, else what its keys tell.

    A step that only names a component has none before the component is read.
    """
    if isinstance(step, Model):
        return str(getattr(step, "type", ""))
    if not isinstance(step, dict):
        return None
    said = step.get("type")
    if isinstance(said, str):
        return said.lower() if said.lower() in STEP_TYPES else None
    if said is not None or "component" in step:
        return None
    return "command" if "command" in step else "parallel"


def _model_name(step: Any) -> str | None:
    of_type = step_type(step)
    has_component = (
        "component" in step if isinstance(step, dict) else getattr(step, "component", None)
    )
    return of_type and tag(f"{of_type} {'component' if has_component else 'step'}")


StepModel = Annotated[
    Annotated[ParallelStepModel, Tag(tag("parallel step"))]
    | Annotated[ParallelComponentStepModel, Tag(tag("parallel component"))]
    | Annotated[CommandStepModel, Tag(tag("command step"))]
    | Annotated[CommandComponentStepModel, Tag(tag("command component"))],
    Discriminator(_model_name),
]
