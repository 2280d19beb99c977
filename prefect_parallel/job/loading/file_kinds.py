"""YAML files of Azure ML that are no jobs: what each is, and what takes it."""

from __future__ import annotations

from prefect_parallel.document import Document, Section
from prefect_parallel.errors import InvalidPipeline
from prefect_parallel.job.format.types import DATA_TYPES, LITERAL_TYPES
from prefect_parallel.job.models.steps import AZURE_ONLY, needs_azure

_BLOCK = "say where it is in the file of --registry, or in a block: prefect-parallel blocks apply"
_ENDPOINT = "run its batch deployment: prefect-parallel run DEPLOYMENT.yml --input DATA"
_ONLINE = "write a batch deployment: code_configuration with a scoring script that has init and run"

_USES = {
    "a schedule": "prefect-parallel deploy --schedule FILE",
    "a component": "name it in a step of a pipeline: component: ./FILE",
    "an environment": "name its conda file in a step: environment: {conda_file: ./FILE}",
    "a data asset": _BLOCK,
    "a datastore": _BLOCK,
    "a compute": "define a Compute block: prefect-parallel blocks apply",
    "a model": "give its path to an input of type custom_model or mlflow_model",
    "an endpoint": _ENDPOINT,
    "an online deployment": _ONLINE,
}
"""What a file may be, and what to do with it."""

_OF_SCHEMA = {
    "schedule": "a schedule",
    "component": "a component",
    "deployment": "an online deployment",
    "endpoint": "an endpoint",
    "environment": "an environment",
    "compute": "a compute",
    "azureblob": "a datastore",
    "azurefile": "a datastore",
    "azuredatalake": "a datastore",
    "onelake": "a datastore",
    "model": "a model",
    "data.schema": "a data asset",
}
"""Parts of the names of Azure ML's schemas; the first that is found counts."""


def refuse_other_kinds(document: Document) -> None:
    """Refuse a file that is no pipeline and no command job.

    Raises:
        InvalidPipeline: It is of another kind; the error says of which, and what takes it.
    """
    data = document.data
    of_type = str(data.get("type")).lower()
    if of_type in AZURE_ONLY:
        refused = needs_azure(of_type, "job")
        raise InvalidPipeline([document.problem(("type",), refused.found, hint=refused.hint)])
    if data.keys().isdisjoint(("jobs", "component")) and (kind := _kind_of(data)) is not None:
        message = f"this is {kind}, not a pipeline"
        raise InvalidPipeline([document.problem((), message, hint=_USES[kind])])


def _kind_of(data: Section) -> str | None:
    schema = str(data.get("$schema", "")).lower().rpartition("/")[2]
    for part, kind in _OF_SCHEMA.items():
        if part in schema:
            return kind
    if {"create_job", "trigger"} <= data.keys():
        return "a schedule"
    if "endpoint_name" in data:
        return "an online deployment"
    if "auth_mode" in data:
        return "an endpoint"
    if data.get("type") == "parallel" or _declares_literals(data):
        return "a component"
    if data.get("type") in DATA_TYPES:
        return "a data asset"
    if "command" not in data and not data.keys().isdisjoint(("image", "conda_file", "build")):
        return "an environment"
    return None


def _declares_literals(data: Section) -> bool:
    inputs = data.get("inputs")
    declared = inputs.values() if isinstance(inputs, dict) else ()
    return any(isinstance(each, dict) and each.get("type") in LITERAL_TYPES for each in declared)
