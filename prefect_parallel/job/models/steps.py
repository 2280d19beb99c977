"""Steps of each type, as they are written: inline, or by a component."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from prefect_parallel.data.mltable.input_formats import INPUT_FORMATS
from prefect_parallel.document import KeyPath, Section
from prefect_parallel.job.format.model import Model, ignored, key, optional
from prefect_parallel.job.format.types import (
    Anything,
    Name,
    Scalar,
    Text,
    TextOrNull,
    Texts,
)
from prefect_parallel.job.format.validators import ChoiceValidator
from prefect_parallel.job.models.io_models import CommandOutputValue, InputValue, OutputValue
from prefect_parallel.job.models.step_parts import (
    DOCKER_ARGS,
    SHM_SIZE,
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
from prefect_parallel.job.settings.parallel_settings import OLD_NAMES, keys_at_top, keys_of
from prefect_parallel.yaml_schema import Diagnostics, Refused

STEP_TYPES = ("parallel", "command", "pipeline")

ParallelType = Annotated[str, ChoiceValidator(("parallel",), any_case=True)]
CommandType = Annotated[str, ChoiceValidator(("command",), any_case=True)]
PipelineType = Annotated[str, ChoiceValidator(("pipeline",), any_case=True)]

_KIND = "The kind of step; may be omitted if other keys determine it."
_COMPONENT = "The file with the rest of the step; the step's own keys win."
_VARIABLES = (
    "Of the script's or command's process. In a value, `${{inputs.NAME}}` and `${{outputs.NAME}}`"
    " are replaced as in arguments, and `{{ prefect.blocks.secret.NAME }}` by a value that Prefect"
    " keeps."
)
_VARIABLES_EXAMPLES = [{"TOKEN": "{{ prefect.blocks.secret.my-token }}"}]


PROPERTIES: Any = optional(
    "Informational, except `input_format`: the format of the files of a major input that is a"
    f" `uri_file` or `uri_folder` with `mode: direct`; {', '.join(INPUT_FORMATS)}. Its mini-batches"
    " are then rows, or with `items` lists of the values in JSON lines.",
    examples=[{"input_format": "csv"}],
)


class ParallelKeys(Model, declared=lambda: keys_of(None)):
    """The keys that parallel steps and parallel components have in common."""

    old_names: ClassVar[Mapping[str, str]] = OLD_NAMES

    input_data: Text | None = optional(
        "The input that is split into mini-batches; must be given.", examples=["${{inputs.rows}}"]
    )
    resources: Resources | None = optional("The nodes of the step.")
    retry_settings: RetrySettings | None = optional("What happens after a failed attempt.")


class Step(Model):
    """The keys that all steps have in common."""

    type: Text
    name: Text | None = ignored()
    display_name: Text | None = optional("Informational.")
    description: Text | None = optional("Informational.")
    experiment_name: Text | None = ignored()
    tags: dict[str, Anything] | None = optional("Informational.")
    properties: dict[str, TextOrNull] | None = ignored()
    compute: Text | None = optional(
        "The `Compute` block of this name; `serverless`, or a name without a block: this machine."
        " By default the pipeline's.",
        examples=["azureml:cpu-cluster"],
    )
    identity: Identity | None = ignored()
    services: Anything = ignored()
    inputs: dict[Name, InputValue] = key(
        "What the step reads: values, data, inputs of the pipeline, outputs of steps.",
        factory=dict,
        examples=[
            {
                "rows": {"type": "mltable", "path": "./rows", "mode": "direct"},
                "model": "${{parent.jobs.train.outputs.model}}",
            }
        ],
    )
    outputs: dict[Name, OutputValue] = key(
        "What the step writes.",
        factory=dict,
        examples=[{"scores": {"type": "uri_file"}, "report": "${{parent.outputs.report}}"}],
    )


class ParallelStepModel(Step, ParallelKeys):
    """An inline parallel step."""

    properties: dict[str, TextOrNull] | None = PROPERTIES
    type: ParallelType = key(_KIND, default="parallel")
    environment_variables: dict[str, Text] = key(
        _VARIABLES, factory=dict, examples=_VARIABLES_EXAMPLES
    )
    task: Task = key("What runs over each mini-batch.")


class ParallelComponentStepModel(Step, ParallelKeys, declared=keys_at_top):
    """A parallel step by a component; its own keys win."""

    properties: dict[str, TextOrNull] | None = PROPERTIES
    type: ParallelType = key(_KIND, default="parallel")
    component: Text = key(_COMPONENT, examples=["./score.yml"])
    comment: Text | None = ignored()
    environment_variables: dict[str, Text] = key(
        _VARIABLES, factory=dict, examples=_VARIABLES_EXAMPLES
    )
    task: Task | None = optional("What runs over each mini-batch, in place of the component's.")
    instance_type: Text | None = ignored()
    shm_size: Text | None = SHM_SIZE
    docker_args: Texts | None = DOCKER_ARGS


class CommandKeys(Step):
    """The keys that all command steps have in common."""

    type: CommandType = key(_KIND, default="command")
    services: Services | None = ignored()
    environment_variables: dict[str, Scalar] = key(
        _VARIABLES, factory=dict, examples=_VARIABLES_EXAMPLES
    )
    distribution: Distribution | None = ignored()
    queue_settings: QueueSettings | None = ignored()


class CommandStepModel(CommandKeys):
    """An inline command step."""

    tags: dict[str, TextOrNull] | None = optional("Informational.")
    outputs: dict[Name, CommandOutputValue] = key(
        "What the step writes; text binds it to an output of the pipeline.",
        factory=dict,
        examples=[{"report": {"type": "uri_folder"}}],
    )
    command: Text = key(
        'What `bash` runs. Values are passed as quoted variables: as safe as `"$1"` in a script.',
        examples=["python train.py --data ${{inputs.rows}} --to ${{outputs.model}}"],
    )
    code: Text | None = optional(
        "A folder or file; a snapshot of it is the command's working directory."
    )
    environment: EnvironmentValue = key(
        "The packages that the command needs, inline or by the environment's name in Azure ML.",
        examples=["azureml:training:1"],
    )
    resources: InlineCommandResources | None = optional("A command step runs on one node.")
    limits: InlineLimits | None = optional("Limits of the command.")


class CommandComponentStepModel(CommandKeys):
    """A command step by a component."""

    component: Text = key(_COMPONENT, examples=["./score.yml"])
    comment: Text | None = ignored()
    command: Text | None = ignored()
    code: Text | None = ignored()
    environment: EnvironmentValue | None = optional("In place of the component's.")
    resources: CommandResources | None = optional("A command step runs on one node.")
    limits: Limits | None = optional("Limits of the command.")


class PipelineStepModel(Step):
    """A nested pipeline, inline or by a component."""

    type: PipelineType = key(_KIND, default="pipeline")
    component: Text | None = optional(
        "The file with the steps, inputs and outputs.", examples=["./prepare.yml"]
    )
    comment: Text | None = ignored()
    settings: Anything = ignored()
    jobs: dict[str, Anything] | None = optional(
        "The steps, as in a pipeline; with a component, values that replace its own.",
        examples=[{"score": {"mini_batch_size": "1mb"}}],
    )


AZURE_ONLY = ("automl", "data_transfer", "finetuning", "import", "spark", "sweep")
"""Types of jobs and steps that need services of Azure ML."""


def needs_azure(of_type: str, what: str) -> Refused:
    """What to say of a job or step of a type that needs Azure ML."""
    article = "an" if of_type[0] in "ai" else "a"
    hint = f"write a command {what} that does the same"
    return Refused(f"{article} {of_type} {what} needs Azure ML", hint=hint)


def step_type(step: Any) -> str | None:
    """The type of a step as written: the one that it names, else the one that its keys tell.

    A step that only names a component has none before the component is read.
    """
    if not isinstance(step, dict):
        return None
    named = step.get("type")
    if isinstance(named, str):
        return named.lower() if named.lower() in STEP_TYPES else None
    if named is not None or "component" in step:
        return None
    if "jobs" in step:
        return "pipeline"
    return "command" if "command" in step else "parallel"


class StepSchema:
    """A step: the model is chosen by its type, and whether it names a component."""

    allowed = f"a step of type {', '.join(STEP_TYPES)}"
    choices: ClassVar[Mapping[tuple[str, bool], type[Step]]] = {
        ("parallel", False): ParallelStepModel,
        ("parallel", True): ParallelComponentStepModel,
        ("command", False): CommandStepModel,
        ("command", True): CommandComponentStepModel,
        ("pipeline", False): PipelineStepModel,
        ("pipeline", True): PipelineStepModel,
    }

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        of_type = step_type(value)
        if of_type is not None:
            model = self.choices[of_type, "component" in value]
            return model.read(value, path, diagnostics)
        diagnostics.broken.add(path)
        if isinstance(value, Section):
            path, value = (*path, "type"), value.get("type")
        if isinstance(value, str) and value.lower() in AZURE_ONLY:
            diagnostics.refuse(path, needs_azure(value.lower(), "step"))
            return None
        diagnostics.wrong_value(value, path, self.allowed)
        return None


StepModel = Annotated[
    ParallelStepModel
    | ParallelComponentStepModel
    | CommandStepModel
    | CommandComponentStepModel
    | PipelineStepModel,
    StepSchema(),
]
