"""What stands inside steps and components: task, environment, resources, limits, identity."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import Discriminator, Tag, ValidationInfo, field_validator

from prefect_parallel.job.model import Model, tag
from prefect_parallel.job.rules import ChoiceRule, Rule, shown, wrong
from prefect_parallel.job.values import (
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

Services = dict[str, dict[str, Anything]]
"""Services of a job: name -> settings. They have no meaning here."""


class RetrySettings(Model):
    """How often a mini-batch is tried again, and how long one `run` may take."""

    max_retries: Retries | None = None
    timeout: Timeout | None = None


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

    instance_count: Count | None = None
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

    path: Text
    dockerfile_path: Text | None = None


class Environment(Model):
    """An environment in place. Steps run in the environment that runs the pipeline."""

    name: Text | None = None
    version: LooseText | None = None
    image: Text | None = None
    conda_file: CondaFile | None = None
    build: Build | None = None
    os_type: Annotated[str, ChoiceRule(("linux", "windows"), any_case=True)] | None = None
    description: Text | None = None
    tags: dict[str, Anything] | None = None


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

    type: Annotated[str, ChoiceRule(("run_function", "function", "model"), any_case=True)]
    code: Text | None = None
    entry_script: Text | None = None
    program_arguments: Text | None = None
    append_row_to: Text | None = None
    environment: EnvironmentValue
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

    type: Annotated[str, ChoiceRule(tuple(_DISTRIBUTION_KEYS), any_case=True)]
    process_count_per_instance: Count | None = None
    worker_count: Count | None = None
    parameter_server_count: Count | None = None
    port: Count | None = None
    address: Text | None = None
    include_dashboard: Flag | None = None
    dashboard_port: Count | None = None
    head_node_additional_args: Text | None = None
    worker_node_additional_args: Text | None = None

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
            ChoiceRule(("spot", "basic", "standard", "premium", "null"), any_case=True),
        ]
        | None
    ) = None
    priority: Annotated[str, ChoiceRule(("low", "medium", "high"), any_case=True)] | None = None


class Limits(Model):
    """What ends a command step."""

    timeout: Timeout | None = None


class InlineLimits(Limits):
    """The same of a command step in place, where it takes no expression."""

    timeout: FixedTimeout | None = None


_CAMEL_WORDS = re.compile(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])")
"""Where the words of a name in camel case begin."""


class _IdentityRule(Rule):
    """The kinds of identity, in snake or camel case."""

    names = ("aml_token", "user_identity", "managed", "managed_identity")

    def check(self, value: Any) -> str:
        name = _CAMEL_WORDS.sub("_", value).lower() if isinstance(value, str) else value
        if name in self.names:
            return "managed_identity" if name == "managed" else str(name)
        raise wrong(f"found {shown(value)}", allowed=", ".join(self.names))

    def json_schema(self) -> dict[str, Any]:
        camel = ("AMLToken", "UserIdentity", "Managed", "ManagedIdentity")
        return {"enum": [*self.names, *camel]}


class Identity(Model):
    """Who a step runs as in Azure. Here everything runs as the user who started it."""

    type: Annotated[str, _IdentityRule()]
    client_id: Text | None = None
    object_id: Text | None = None
    msi_resource_id: Text | None = None

    @field_validator("client_id", "object_id", "msi_resource_id")
    @classmethod
    def _check_key(cls, value: Any, info: ValidationInfo) -> Any:
        of_type = info.data.get("type", "managed_identity")
        if of_type != "managed_identity":
            raise wrong(f"not a key of an identity of type {of_type}", allowed="type")
        return value
