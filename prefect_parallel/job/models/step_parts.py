"""What stands inside steps and components: task, environment, resources, limits, identity."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator

from prefect_parallel.job.format.model import Model, optional, tag
from prefect_parallel.job.format.types import (
    Anything,
    CondaFile,
    Count,
    EnvironmentName,
    FixedCount,
    FixedTimeout,
    Flag,
    LooseText,
    Retries,
    Text,
    Texts,
    Timeout,
)
from prefect_parallel.job.format.validators import ChoiceValidator, Validator, wrong

# Spec section 4.
DEFAULT_INSTANCE_COUNT = 1
DEFAULT_MAX_RETRIES = 2
DEFAULT_TIMEOUT = 60

Services = dict[str, dict[str, Anything]]
"""Services of a job: name -> settings. They have no meaning here."""


class RetrySettings(Model):
    """How often a mini-batch is tried again, and how long one `run` may take."""

    max_retries: Retries | None = optional(
        "How often a mini-batch whose attempt failed is tried again.", default=DEFAULT_MAX_RETRIES
    )
    timeout: Timeout | None = optional(
        "Seconds that one `run` may take; then its process is ended, with all that it started.",
        default=DEFAULT_TIMEOUT,
    )


class Resources(Model):
    """The nodes of a step. Only their number counts here."""

    no_meaning: ClassVar[frozenset[str]] = frozenset(
        {
            "instance_type",
            "shm_size",
            "docker_args",
            "locations",
            "max_instance_count",
            "properties",
        }
    )

    instance_count: Count | None = optional(
        "The number of nodes that the step runs on.", default=DEFAULT_INSTANCE_COUNT
    )
    instance_type: Text | None = None
    shm_size: Text | None = None
    docker_args: Texts | None = None
    locations: list[Text] | None = None
    max_instance_count: Count | None = None
    properties: dict[str, Anything] | None = None


class CommandResources(Resources):
    """The same of a command step, which runs on one node."""

    no_meaning: ClassVar[frozenset[str]] = Resources.no_meaning | {"instance_count"}


class InlineCommandResources(CommandResources):
    """The same of a command step in place, where the number of nodes takes no expression."""

    instance_count: FixedCount | None = None


class Build(Model):
    """A Docker context."""

    path: Text = Field(description="The folder of the context.")
    dockerfile_path: Text | None = optional("Its Dockerfile.")


class Environment(Model):
    """What a step needs; it runs on the Python that runs the pipeline, unless one is built."""

    name: Text | None = optional("For people.")
    version: LooseText | None = optional("Beside the name, for people.")
    image: Text | None = optional("A container's image; changes nothing here.")
    conda_file: CondaFile | None = optional(
        "The path of a conda file, or what would stand in it. What of it is not met is a warning;"
        " `--environment build` builds it.",
        examples=["./conda.yml", {"dependencies": ["python=3.12", {"pip": ["xgboost>=2"]}]}],
    )
    build: Build | None = optional("A Docker context; changes nothing here.")
    os_type: Annotated[str, ChoiceValidator(("linux", "windows"), any_case=True)] | None = optional(
        "Changes nothing here."
    )
    description: Text | None = optional("For people.")
    tags: dict[str, Anything] | None = optional("For people.")


def _environment_kind(value: Any) -> str:
    inline = isinstance(value, (dict, Environment))
    return tag("inline") if inline else tag("registered")


EnvironmentValue = Annotated[
    Annotated[Environment, Tag(tag("inline"))] | Annotated[EnvironmentName, Tag(tag("registered"))],
    Discriminator(_environment_kind),
]


class Task(Model):
    """What runs over each mini-batch."""

    no_meaning: ClassVar[frozenset[str]] = frozenset({"model"})

    type: Annotated[str, ChoiceValidator(("run_function", "function", "model"), any_case=True)] = (
        Field(
            description="The kind of task. A `model` is refused: write a `run_function` that"
            " loads it."
        )
    )
    code: Text | None = optional(
        "The folder of the entry script, or the script itself. The script's working directory is a"
        " snapshot of it.",
        examples=["./script"],
    )
    entry_script: Text | None = optional(
        "The Python file with `init`, `run` and `shutdown`, below `code`; must be given.",
        examples=["score.py"],
    )
    program_arguments: Text | None = optional(
        "What the script finds in `sys.argv`, cut into words as by a shell. Predefined ones set the"
        " run itself.",
        examples=["--model ${{inputs.model}} --error_threshold 5"],
    )
    append_row_to: Text | None = optional(
        "Where what `run` returned is put together, in the input's order: an output, or a file"
        " below it. Its name decides the format: `.parquet`, `.jsonl`, else text. Left out, only"
        " numbers are kept.",
        examples=["${{outputs.scores}}", "${{outputs.folder}}/scores.parquet"],
    )
    environment: EnvironmentValue = Field(
        description="What the script needs, in place or by its name in Azure ML.",
        examples=["azureml:scoring:1"],
    )
    model: Text | None = None


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

    type: Annotated[str, ChoiceValidator(tuple(_DISTRIBUTION_KEYS), any_case=True)] = Field(
        description="What distributes the command."
    )
    process_count_per_instance: Count | None = optional("Of PyTorch and MPI.")
    worker_count: Count | None = optional("Of TensorFlow.")
    parameter_server_count: Count | None = optional("Of TensorFlow.")
    port: Count | None = optional("Of Ray.")
    address: Text | None = optional("Of Ray.")
    include_dashboard: Flag | None = optional("Of Ray.")
    dashboard_port: Count | None = optional("Of Ray.")
    head_node_additional_args: Text | None = optional("Of Ray.")
    worker_node_additional_args: Text | None = optional("Of Ray.")

    @field_validator("*")
    @classmethod
    def _check_key(cls, value: Any, info: ValidationInfo) -> Any:
        of_type = info.data.get("type")
        if of_type and info.field_name not in _DISTRIBUTION_KEYS[of_type]:
            allowed = ", ".join(_DISTRIBUTION_KEYS[of_type])
            raise wrong(f"not a key of a {of_type} distribution", allowed=allowed)
        return value


class QueueSettings(Model):
    """How a command step queues in Azure."""

    job_tier: (
        Annotated[
            str,
            ChoiceValidator(("spot", "basic", "standard", "premium", "null"), any_case=True),
        ]
        | None
    ) = optional("What it may cost.")
    priority: Annotated[str, ChoiceValidator(("low", "medium", "high"), any_case=True)] | None = (
        optional("What may overtake it.")
    )


_LIMIT = "Seconds that the command may take; then it is ended, with all that it started."


class Limits(Model):
    """What ends a command step."""

    timeout: Timeout | None = optional(_LIMIT)


class InlineLimits(Limits):
    """The same of a command step in place, where it takes no expression."""

    timeout: FixedTimeout | None = optional(_LIMIT)


_CAMEL_WORDS = re.compile(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])")
"""Where the words of a name in camel case begin."""


class _IdentityValidator(Validator):
    """The kinds of identity, in snake or camel case."""

    names = ("aml_token", "user_identity", "managed", "managed_identity")

    def check(self, value: Any) -> str:
        name = _CAMEL_WORDS.sub("_", value).lower() if isinstance(value, str) else value
        if name in self.names:
            return "managed_identity" if name == "managed" else str(name)
        raise self.refused(value)

    @property
    def allowed(self) -> str:
        return ", ".join(self.names)

    def json_schema(self) -> dict[str, Any]:
        camel = ("AMLToken", "UserIdentity", "Managed", "ManagedIdentity")
        return {"enum": [*self.names, *camel]}


class Identity(Model):
    """Who a step runs as in Azure. Here everything runs as the user who started it."""

    type: Annotated[str, _IdentityValidator()] = Field(description="Whose it is.")
    client_id: Text | None = optional("Of a managed identity.")
    object_id: Text | None = optional("Of a managed identity.")
    msi_resource_id: Text | None = optional("Of a managed identity.")

    @field_validator("client_id", "object_id", "msi_resource_id")
    @classmethod
    def _check_key(cls, value: Any, info: ValidationInfo) -> Any:
        of_type = info.data.get("type", "managed_identity")
        if of_type != "managed_identity":
            raise wrong(f"not a key of an identity of type {of_type}", allowed="type")
        return value
