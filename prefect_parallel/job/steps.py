"""Parallel and command steps, as they are written: in place, or by a component."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Discriminator, Field, Tag

from prefect_parallel.job.model import Model, tag
from prefect_parallel.job.parts import (
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
from prefect_parallel.job.ports import CommandOutputValue, InputValue, OutputValue
from prefect_parallel.job.rules import ChoiceRule
from prefect_parallel.job.values import (
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

STEP_TYPES = ("parallel", "command")
_PARALLEL = Annotated[str, ChoiceRule(("parallel",), any_case=True)]
_COMMAND = Annotated[str, ChoiceRule(("command",), any_case=True)]


class ParallelSettings(Model):
    """What a parallel step and a parallel component have in common."""

    mini_batch_size: Size | None = None
    partition_keys: list[Text] | None = None
    max_concurrency_per_instance: Count | None = None
    mini_batch_error_threshold: Threshold | None = None
    error_threshold: Threshold | None = None
    retry_settings: RetrySettings | None = None
    logging_level: Level | None = None
    input_data: Text | None = None
    resources: Resources | None = None


class Step(Model):
    """What all steps have in common."""

    no_meaning: ClassVar[frozenset[str]] = frozenset(
        {"name", "experiment_name", "identity", "properties", "comment", "services"}
    )

    type: Text
    name: Text | None = None
    display_name: Text | None = None
    description: Text | None = None
    experiment_name: Text | None = None
    tags: dict[str, Anything] | None = None
    properties: dict[str, TextOrNull] | None = None
    compute: Text | None = None
    identity: Identity | None = None
    services: Anything = None
    inputs: dict[Name, InputValue] = Field(default_factory=dict)
    outputs: dict[Name, OutputValue] = Field(default_factory=dict)


class ParallelStepModel(Step, ParallelSettings):
    """A parallel step in place."""

    type: _PARALLEL = "parallel"
    environment_variables: dict[str, Text] = Field(default_factory=dict)
    task: Task


class ParallelComponentStepModel(Step, ParallelSettings):
    """A parallel step by a component; what it sets itself wins."""

    no_meaning: ClassVar[frozenset[str]] = Step.no_meaning | {
        "instance_type",
        "shm_size",
        "docker_args",
    }

    type: _PARALLEL = "parallel"
    component: Text
    comment: Text | None = None
    environment_variables: dict[str, Text] = Field(default_factory=dict)
    task: Task | None = None
    instance_count: FixedCount | None = None
    instance_type: Text | None = None
    shm_size: Text | None = None
    docker_args: Texts | None = None


class CommandSettings(Step):
    """What command steps have in common, however they are written."""

    no_meaning: ClassVar[frozenset[str]] = Step.no_meaning | {"distribution", "queue_settings"}

    type: _COMMAND = "command"
    services: Services | None = None
    environment_variables: dict[str, Scalar] = Field(default_factory=dict)
    distribution: Distribution | None = None
    queue_settings: QueueSettings | None = None


class CommandStepModel(CommandSettings):
    """A command step in place."""

    tags: dict[str, TextOrNull] | None = None
    outputs: dict[Name, CommandOutputValue] = Field(default_factory=dict)
    command: Text
    code: Text | None = None
    environment: EnvironmentValue
    resources: InlineCommandResources | None = None
    limits: InlineLimits | None = None


class CommandComponentStepModel(CommandSettings):
    """A command step by a component."""

    no_meaning: ClassVar[frozenset[str]] = CommandSettings.no_meaning | {"command", "code"}

    component: Text
    comment: Text | None = None
    command: Text | None = None
    code: Text | None = None
    environment: EnvironmentValue | None = None
    resources: CommandResources | None = None
    limits: Limits | None = None


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
