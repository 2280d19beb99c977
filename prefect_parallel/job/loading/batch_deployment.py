"""A deployment of a batch endpoint, which is a pipeline of one parallel step.

What can be given when an endpoint is invoked are inputs of the pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect_parallel.document import Document, KeyPath, Rearranged, plain, section_of
from prefect_parallel.errors import InvalidPipeline
from prefect_parallel.job import files
from prefect_parallel.job.files.locations import is_local, kind_of, location_of
from prefect_parallel.job.models.batch_deployment import (
    BatchDeploymentModel,
    BatchRetrySettings,
    DeployedModel,
)
from prefect_parallel.yaml_schema import Diagnostics, Refused

MLFLOW_SCORING = Path(files.__file__).with_name("mlflow_scoring.py")
"""Of a model in MLflow's format. It imports pandas, and is not imported here."""

STEP = "score"
"""The name of the step and, as in Azure ML, of its output."""

_CONDA_FILE = "conda.yaml"
"""The conda file of a model in MLflow's format."""


def is_batch_deployment(document: Document) -> bool:
    """Whether a document is a deployment of a batch endpoint, rather than of an online one."""
    schema = str(document.data.get("$schema", "")).lower().rpartition("/")[2]
    if schema:
        return "batchdeployment" in schema
    of_type = str(document.data.get("type", "model")).lower()
    of_online = "instance_type" in document.data
    return "endpoint_name" in document.data and of_type in ("model", "pipeline") and not of_online


def pipeline_of(deployment: Document, diagnostics: Diagnostics) -> Document:
    """The pipeline of a deployment, whose problems go to the diagnostics.

    Raises:
        InvalidPipeline: The deployment has errors.
    """
    model = BatchDeploymentModel.read(deployment.data, (), diagnostics)
    uses_mlflow = model.code_configuration is None
    if uses_mlflow and not diagnostics.problems:
        _check_mlflow(deployment, _model_of(model)["path"], diagnostics)
    if diagnostics.problems:
        raise InvalidPipeline(diagnostics.problems)
    data = section_of(_without_nothing(_pipeline(deployment, model)), ())
    return Rearranged(
        deployment.file,
        data,
        deployment.folder,
        deployment.prefix,
        source=deployment,
        moved=_moved(model),
    )


def _pipeline(deployment: Document, model: BatchDeploymentModel) -> dict[str, Any]:
    retries = model.setting("retry_settings") or BatchRetrySettings()
    resources = plain(deployment.data.get("resources", {}))
    nodes = resources.pop("instance_count", None) or model.setting("instance_count")
    return {
        "type": "pipeline",
        "display_name": model.name,
        "description": model.description,
        "tags": plain(deployment.data.get("tags")),
        "compute": model.compute,
        **{name: plain(deployment.data.get(name)) for name in _IGNORED},
        "inputs": {
            "input": _input(deployment, model.input),
            "output": location_of(model.output, deployment.folder) if model.output else "",
            "mini_batch_size": model.setting("mini_batch_size"),
            "instance_count": int(nodes or 1),
            "max_retries": retries.max_retries,
            "timeout": retries.timeout,
            "error_threshold": model.setting("error_threshold"),
        },
        "outputs": {STEP: {"type": "uri_folder", "path": "${{inputs.output}}"}},
        "jobs": {STEP: _step(deployment, model, resources)},
    }


def _step(
    deployment: Document, model: BatchDeploymentModel, resources: dict[str, Any]
) -> dict[str, Any]:
    variables = dict(model.environment_variables or {})
    variables |= (model.settings and model.settings.environment_variables) or {}
    return {
        "type": "parallel",
        "inputs": {"input": _bound("input"), "model": _model_of(model)},
        "outputs": {STEP: f"${{{{parent.outputs.{STEP}}}}}"},
        "input_data": "${{inputs.input}}",
        "mini_batch_size": _bound("mini_batch_size"),
        "max_concurrency_per_instance": model.setting("max_concurrency_per_instance"),
        "resources": {**resources, "instance_count": _bound("instance_count")},
        "retry_settings": {"max_retries": _bound("max_retries"), "timeout": _bound("timeout")},
        "error_threshold": _bound("error_threshold"),
        "logging_level": str(model.setting("logging_level")).upper(),
        "environment_variables": {
            # What a scoring script writes itself is part of the output.
            "AZUREML_BI_OUTPUT_PATH": f"${{{{outputs.{STEP}}}}}",
            **{name: str(value) for name, value in variables.items()},
        },
        "task": _task(deployment, model),
    }


def _task(deployment: Document, model: BatchDeploymentModel) -> dict[str, Any]:
    appends = model.setting("output_action") != "summary_only"
    file = model.setting("output_file_name")
    code = model.code_configuration
    return {
        "type": "run_function",
        "code": str(MLFLOW_SCORING) if code is None else code.code,
        "entry_script": MLFLOW_SCORING.name if code is None else code.scoring_script,
        "environment": plain(deployment.data.get("environment")) or _environment(deployment, model),
        "program_arguments": "--model ${{inputs.model}} --check_item_count False",
        "append_row_to": f"${{{{outputs.{STEP}}}}}/{file}" if appends else None,
    }


def _environment(deployment: Document, model: BatchDeploymentModel) -> Any:
    """The environment of a deployment without one: that of its model in MLflow's format."""
    if model.code_configuration is not None:
        return None
    path = _model_of(model)["path"]
    file = Path(location_of(path, deployment.folder)) / _CONDA_FILE
    if is_local(location_of(path, deployment.folder)) and kind_of(file) == "file":
        return {"conda_file": str(file)}
    return "azureml:mlflow"


def _model_of(model: BatchDeploymentModel) -> dict[str, Any]:
    default = "mlflow_model" if model.code_configuration is None else "custom_model"
    if isinstance(model.model, DeployedModel):
        return {"type": model.model.type or default, "path": model.model.path}
    return {"type": default, "path": str(model.model)}


def _input(deployment: Document, path: str | None) -> dict[str, Any]:
    if path is None:
        return {"type": "uri_folder"}
    location = location_of(path, deployment.folder)
    is_file = is_local(location) and kind_of(Path(location)) == "file"
    return {"type": "uri_file" if is_file else "uri_folder", "path": path}


def _check_mlflow(deployment: Document, path: str, diagnostics: Diagnostics) -> None:
    location = location_of(path, deployment.folder)
    if is_local(location) and kind_of(Path(location) / "MLmodel") != "file":
        refused = Refused(
            "the key is missing",
            allowed="code and scoring_script",
            hint=f"only a model in MLflow's format needs no script; there is no MLmodel in {path}",
        )
        diagnostics.refuse(("code_configuration",), refused)


_IGNORED = ("properties", "id", "creation_context")
"""Keys that a pipeline has, too."""


def _moved(model: BatchDeploymentModel) -> dict[KeyPath, KeyPath]:
    """The paths of values in the pipeline -> in its deployment."""
    of_model = ("model", "path") if isinstance(model.model, DeployedModel) else ("model",)
    step, retries = ("jobs", STEP), model.place_of("retry_settings")
    task = (*step, "task")
    nodes = ("resources",) if model.resources is not None else model.place_of("instance_count")
    same = (*_IGNORED, "description", "tags", "compute")
    of_input = ("mini_batch_size", "error_threshold")
    of_step = ("max_concurrency_per_instance", "logging_level", "environment_variables")
    return {
        **{(name,): (name,) for name in same},
        **{("inputs", name): model.place_of(name) for name in of_input},
        **{(*step, name): model.place_of(name) for name in of_step},
        ("display_name",): ("name",),
        ("inputs", "input"): ("input",),
        ("inputs", "input", "path"): ("input",),
        ("inputs", "output"): ("output",),
        ("outputs", STEP, "path"): ("output",),
        ("inputs", "instance_count"): nodes,
        ("inputs", "max_retries"): (*retries, "max_retries"),
        ("inputs", "timeout"): (*retries, "timeout"),
        (*step, "inputs", "model", "path"): of_model,
        (*step, "resources"): ("resources",),
        (*task, "code"): ("code_configuration", "code"),
        (*task, "entry_script"): ("code_configuration", "scoring_script"),
        (*task, "environment"): ("environment",),
        (*task, "append_row_to"): model.place_of("output_file_name"),
    }


def _bound(name: str) -> str:
    return f"${{{{parent.inputs.{name}}}}}"


def _without_nothing(data: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping of mappings, without keys that have no value."""
    return {
        key: _without_nothing(value) if isinstance(value, dict) else value
        for key, value in data.items()
        if value is not None
    }
