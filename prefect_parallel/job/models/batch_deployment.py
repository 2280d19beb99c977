"""A deployment of a batch endpoint, as it is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from prefect_parallel.job.format.model import Model, key, optional
from prefect_parallel.job.format.types import (
    MODEL_TYPES,
    Anything,
    FixedCount,
    FixedTimeout,
    LooseText,
    Scalar,
    Text,
    TextOrNull,
)
from prefect_parallel.job.format.validators import (
    ChoiceValidator,
    IntegerValidator,
    TextValidator,
)
from prefect_parallel.job.models.step_parts import EnvironmentValue, Resources
from prefect_parallel.job.syntax.expressions import whole
from prefect_parallel.yaml_schema import Either, Refused


class BatchRetrySettings(Model):
    """How often a mini-batch is retried, and how long one `run` may take."""

    max_retries: Annotated[int, IntegerValidator(0, bindable=False)] = key(
        "How often a mini-batch is retried after a failed attempt.", default=3
    )
    timeout: FixedTimeout = key("Maximum duration of one `run`, in seconds.", default=30)


class BatchSettings(Model):
    """Settings of a batch deployment; each may also be given outside `settings`."""

    mini_batch_size: FixedCount | None = optional("Files in a mini-batch.", default=10)
    max_concurrency_per_instance: FixedCount | None = optional("Slots of a node.", default=1)
    instance_count: FixedCount | None = optional("Nodes; also `resources.instance_count`.")
    error_threshold: Annotated[int, IntegerValidator(-1, bindable=False)] | None = optional(
        "Maximum number of failed items. -1: unlimited.", default=-1
    )
    retry_settings: BatchRetrySettings | None = optional("What happens after a failed attempt.")
    logging_level: (
        Annotated[str, ChoiceValidator(("info", "warning", "debug"), any_case=True)] | None
    ) = optional("The lowest level of the script's log that is kept.", default="info")
    output_action: (
        Annotated[str, ChoiceValidator(("append_row", "summary_only"), any_case=True)] | None
    ) = optional("Whether what `run` returns is joined to a file, or counted.")
    output_file_name: Text | None = optional("That file.", default="predictions.csv")
    environment_variables: dict[str, Scalar] | None = optional("Of the script's process.")


class CodeConfiguration(Model):
    """The scoring script."""

    code: Text = key("Its folder.")
    scoring_script: Text = key("Its path below the folder.")


class DeployedModel(Model):
    """A model, inline."""

    path: Text = key("A local path, a URL, or the name of a registered model.")
    type: Annotated[str, ChoiceValidator(MODEL_TYPES, any_case=True)] | None = optional("Its kind.")
    name: Text | None = optional("Informational.")
    version: LooseText | None = optional("Informational.")
    description: Text | None = optional("Informational.")
    tags: Anything = optional("Informational.")
    properties: Anything = optional("Informational.")
    flavors: Anything = optional("Informational.")


class BatchDeploymentModel(BatchSettings):
    """A batch deployment of a model.

    `input` and `output` are not keys of Azure ML, which gets them when an endpoint is invoked.
    """

    schema_: Anything = key("Where editors find a schema.", default=None, name="$schema")
    type: Annotated[str, ChoiceValidator(("model", "pipeline"), any_case=True)] = key(
        "What is deployed.", default="model"
    )
    name: Text = key("The name of its flow.")
    endpoint_name: Text | None = optional("Informational.")
    description: Text | None = optional("Description of the flow.")
    tags: dict[str, TextOrNull] | None = optional("Tags of the flow run.")
    model: Annotated[DeployedModel | str, Either(DeployedModel, TextValidator())] = key(
        "The model, or the name of a registered one."
    )
    code_configuration: CodeConfiguration | None = optional(
        "The scoring script; a model in MLflow's format needs none."
    )
    environment: EnvironmentValue | None = optional("The packages that the script needs.")
    compute: Text | None = optional("The `Compute` block of this name.")
    resources: Resources | None = optional("The nodes.")
    settings: BatchSettings | None = optional("Settings of the deployment.")
    input: Text | None = optional("The data to score, which `run --input` gives.")
    output: Text | None = optional("Where its output is copied when it is done.")
    properties: Anything = optional("No effect here.")
    id: Anything = optional("No effect here.")
    creation_context: Anything = optional("No effect here.")
    provisioning_state: Anything = optional("No effect here.")

    def check(self, refuse: Callable[[str, Refused], None]) -> None:
        if self.type == "pipeline":
            hint = "run its component: a pipeline with `type: pipeline` and `component: ./FILE`"
            refuse("type", Refused("found a deployment of a pipeline", allowed="model", hint=hint))
        for name in BatchSettings.all_keys():
            if self.settings is not None and name in self.given and name in self.settings.given:
                refuse(name, Refused(f"found both {name} and settings.{name}", allowed="one"))
        nodes = getattr(self.resources, "instance_count", None)
        if whole(nodes):
            found = f"found {nodes} as instance_count"
            refuse("resources", Refused(found, allowed="a whole number, 1 or more"))
        counted = self.setting("instance_count") is not None
        if counted and self.resources is not None and "instance_count" in self.resources.given:
            hint = "remove one of instance_count and resources.instance_count"
            refuse("resources", Refused("found two numbers of nodes", hint=hint))

    def place_of(self, name: str) -> tuple[str, ...]:
        """The path at which a setting is given, or could be."""
        within = self.settings is not None and name in self.settings.given
        return ("settings", name) if within else (name,)

    def setting(self, name: str) -> Any:
        """The value of a setting, in `settings` or outside; its default if there is none."""
        holder = self.settings if len(self.place_of(name)) > 1 else self
        value = getattr(holder, name)
        return self.all_keys()[name].effective if value is None else value
