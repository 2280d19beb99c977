"""Parts of steps and components: task, environment, resources, limits, identity."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from prefect_parallel.job.format.model import Model, ignored, key, optional
from prefect_parallel.job.format.name_validators import AssetValidator
from prefect_parallel.job.format.types import (
    Anything,
    Boolean,
    CondaFile,
    Count,
    FixedCount,
    FixedTimeout,
    LooseText,
    Text,
    Texts,
    Timeout,
)
from prefect_parallel.job.format.validators import ChoiceValidator, Schema, Validator
from prefect_parallel.job.settings.parallel_settings import keys_of
from prefect_parallel.yaml_schema import Either, Refused

Services = dict[str, dict[str, Anything]]
"""Services of a job: name -> settings. They have no effect here."""


class RetrySettings(Model, declared=lambda: keys_of("retry_settings")):
    """How often a mini-batch is retried, and how long one `run` may take."""


SHM_SIZE = optional(
    "The size of `/dev/shm` in containers, with `--environment container`.", examples=["2g"]
)

DOCKER_ARGS = optional(
    "Options of `podman run` or `docker run`, with `--environment container`.",
    examples=["--network host --env AWS_PROFILE"],
)


class Resources(Model, declared=lambda: keys_of("resources")):
    """The nodes of a step, and options of containers on them."""

    instance_type: Text | None = ignored()
    shm_size: Text | None = SHM_SIZE
    docker_args: Texts | None = DOCKER_ARGS
    locations: list[Text] | None = ignored()
    max_instance_count: Count | None = ignored()
    properties: dict[str, Anything] | None = ignored()


class CommandResources(Resources):
    """The resources of a command step, which runs on one node."""

    instance_count: Count | None = ignored()


class InlineCommandResources(CommandResources):
    """The resources of an inline command step, whose number of nodes cannot be an expression."""

    instance_count: FixedCount | None = ignored()


class Build(Model):
    """A Docker context."""

    path: Text = key("The folder of the context.")
    dockerfile_path: Text | None = optional("Its Dockerfile.")


class Environment(Model):
    """The packages that a step needs. Unless one is built, steps run in the pipeline's Python."""

    name: Text | None = optional("Informational.")
    version: LooseText | None = optional("The version of that name; informational.")
    image: Text | None = optional(
        "A container's image, in which `--environment container` runs the step."
    )
    conda_file: CondaFile | None = optional(
        "The path of a conda file, or its content. Unmet requirements produce a warning;"
        " `--environment build` builds the environment.",
        examples=["./conda.yml", {"dependencies": ["python=3.12", {"pip": ["xgboost>=2"]}]}],
    )
    build: Build | None = optional(
        "A Docker context, from which `--environment container` builds the image."
    )
    os_type: Annotated[str, ChoiceValidator(("linux", "windows"), any_case=True)] | None = optional(
        "No effect here."
    )
    description: Text | None = optional("Informational.")
    tags: dict[str, Anything] | None = optional("Informational.")


EnvironmentValue = Annotated[
    Environment | str,
    Either(Environment, AssetValidator("NAME, azureml:NAME:VERSION or a mapping")),
]


class Task(Model):
    """What runs over each mini-batch."""

    type: Annotated[str, ChoiceValidator(("run_function", "function", "model"), any_case=True)] = (
        key("The kind of task. A `model` is refused: write a `run_function` that loads it.")
    )
    code: Text | None = optional(
        "The folder of the entry script, or the script itself. A snapshot of it is the script's"
        " working directory.",
        examples=["./script"],
    )
    entry_script: Text | None = optional(
        "The Python file with `init`, `run` and `shutdown`, below `code`; must be given.",
        examples=["score.py"],
    )
    program_arguments: Text | None = optional(
        "The script's `sys.argv`, split into words as by a shell. Predefined arguments are settings"
        " of the step.",
        examples=["--model ${{inputs.model}} --error_threshold 5"],
    )
    append_row_to: Text | None = optional(
        "Where the results of `run` are joined, in the input's order: an output, or a file below"
        " it. The file's name, or the `path` of the output, decides the format: `.parquet`,"
        " `.jsonl`, else text. By default, only counts are kept.",
        examples=["${{outputs.scores}}", "${{outputs.folder}}/scores.parquet"],
    )
    environment: EnvironmentValue = key(
        "The packages that the script needs, inline or by the environment's name in Azure ML.",
        examples=["azureml:scoring:1"],
    )
    model: Text | None = ignored()


_DISTRIBUTION_KEYS = {
    "pytorch": ("process_count_per_instance",),
    "mpi": ("process_count_per_instance",),
    "tensorflow": ("worker_count", "parameter_server_count"),
    "ray": (
        "port",
        "address",
        "include_dashboard",
        "dashboard_port",
        "head_node_additional_args",
        "worker_node_additional_args",
    ),
}


class Distribution(Model):
    """The processes of a command step in Azure. Here a command is one process on one node."""

    type: Annotated[str, ChoiceValidator(tuple(_DISTRIBUTION_KEYS), any_case=True)] = key(
        "What distributes the command."
    )
    process_count_per_instance: Count | None = optional("For PyTorch and MPI.")
    worker_count: Count | None = optional("For TensorFlow.")
    parameter_server_count: Count | None = optional("For TensorFlow.")
    port: Count | None = optional("For Ray.")
    address: Text | None = optional("For Ray.")
    include_dashboard: Boolean | None = optional("For Ray.")
    dashboard_port: Count | None = optional("For Ray.")
    head_node_additional_args: Text | None = optional("For Ray.")
    worker_node_additional_args: Text | None = optional("For Ray.")

    def check(self, refuse: Callable[[str, Refused], None]) -> None:
        if self.type is None:  # It is broken.
            return
        allowed = _DISTRIBUTION_KEYS[self.type]
        for name in sorted(set(self.given) - {"type", *allowed}):
            found = f"not a key of a {self.type} distribution"
            refuse(name, Refused(found, allowed=", ".join(allowed)))


class QueueSettings(Model):
    """How a command step is queued in Azure."""

    job_tier: (
        Annotated[
            str,
            ChoiceValidator(("spot", "basic", "standard", "premium", "null"), any_case=True),
        ]
        | None
    ) = optional("Its tier.")
    priority: Annotated[str, ChoiceValidator(("low", "medium", "high"), any_case=True)] | None = (
        optional("Its priority.")
    )


_TIMEOUT = (
    "Maximum duration of the command, in seconds; then it is ended, with all that it started."
)


class Limits(Model):
    """Limits of a command step."""

    timeout: Timeout | None = optional(_TIMEOUT)


class InlineLimits(Limits):
    """Limits of an inline command step, which cannot be expressions."""

    timeout: FixedTimeout | None = optional(_TIMEOUT)


_CAMEL_WORDS = re.compile(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])")
"""The start of each word of a camel-case name."""


class _IdentityValidator(Validator):
    """The kinds of identity, in snake or camel case."""

    names = ("aml_token", "user_identity", "managed", "managed_identity")
    allowed = ", ".join(names)
    json: ClassVar[Schema] = {
        "enum": [*names, "AMLToken", "UserIdentity", "Managed", "ManagedIdentity"]
    }

    def check(self, value: Any) -> str:
        name = _CAMEL_WORDS.sub("_", value).lower() if isinstance(value, str) else value
        if name in self.names:
            return "managed_identity" if name == "managed" else str(name)
        raise self.refused(value)


class Identity(Model):
    """Who a step runs as in Azure. Here everything runs as the user who started it."""

    type: Annotated[str, _IdentityValidator()] = key("The kind of identity.")
    client_id: Text | None = optional("For a managed identity.")
    object_id: Text | None = optional("For a managed identity.")
    msi_resource_id: Text | None = optional("For a managed identity.")

    def check(self, refuse: Callable[[str, Refused], None]) -> None:
        if self.type not in (None, "managed_identity"):
            for name in sorted(set(self.given) - {"type"}):
                found = f"not a key of an identity of type {self.type}"
                refuse(name, Refused(found, allowed="type"))
