"""The golden cases: pipelines, and what azure-ai-ml makes of each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefect_parallel.errors import InvalidPipeline
from prefect_parallel.job import load_pipeline
from prefect_parallel.job.format.types import literal_type
from prefect_parallel.job.models.io_models import DataInput, Output
from prefect_parallel.job.models.pipeline import PipelineJob
from prefect_parallel.job.resolution.bindings import Bindings
from prefect_parallel.job.resolution.diagnostics import JobDiagnostics
from prefect_parallel.job.resolution.effective_settings import StepKeys, effective_settings
from prefect_parallel.job.resolution.resolve import top_level
from prefect_parallel.job.resolution.resolved import Data, OutputOf
from prefect_parallel.job.settings.parallel_settings import Inherit
from prefect_parallel.job.syntax.expressions import whole
from tests.golden_cases import pipelines

# Where we part from azure-ai-ml: case -> (accepts or refuses, why it serves whoever wrote it).
DIFFERENCES: dict[str, tuple[str, str]] = {
    "compute_nowhere": ("accepts", "without a compute, a step runs on this machine"),
    "append_to_undefined_output": ("refuses", "the rows would be lost"),
    "code_elsewhere": ("refuses", "code in git or a workspace cannot be fetched here"),
    "command_lax": ("refuses", "bash would get an expression that refers to nothing"),
    "component_file_lax": ("refuses", "a misspelled key would be ignored silently"),
    "cycle": ("refuses", "steps in a cycle can never start"),
    "duplicate_keys": ("refuses", "one of two duplicate keys would be ignored silently"),
    "input_data_lax": ("refuses", "a step without its input data cannot run"),
    "input_path_absent_on_disk": ("refuses", "the error is found before anything runs"),
    "input_type_unlike_its_path": ("refuses", "the error is found before anything runs"),
    "instance_count_lax": ("refuses", "a node count of -1 or 1.9 makes no sense"),
    "jobs_absent": ("refuses", "a pipeline without steps does nothing"),
    "jobs_empty": ("refuses", "a pipeline without steps does nothing"),
    "parallel_component_registered": ("refuses", "--registry FILE has to say where it is"),
    "partition_keys_lax": ("refuses", "empty and repeated keys are typing errors"),
    "retry_settings_lax": ("refuses", "values out of range and a misspelled key would be ignored"),
    "settings_unknown_key": ("refuses", "a misspelled key would be ignored silently"),
    "step_input_old_form": ("refuses", "Azure ML refuses it when the job is submitted"),
    "task_lax": ("refuses", "a task, code or script is missing, or a key is misspelled"),
    "thresholds_lax": ("refuses", "values out of range would be accepted, and fractions truncated"),
    "unknown_key_on_component_step": ("refuses", "misspelled keys would be ignored silently"),
}


@pytest.mark.parametrize("name", pipelines())
def test_golden_case(name: str) -> None:
    case = pipelines()[name]
    file = case.folder / "pipeline.yml"
    difference = DIFFERENCES.get(name)
    accepts = case.valid if difference is None else difference[0] == "accepts"
    if accepts:
        job = load_pipeline(file)
        if case.valid:
            assert_agrees(job, case.expected)
            assert job == reloaded(job)
    else:
        with pytest.raises(InvalidPipeline) as refused:
            load_pipeline(file)
        places = case.expected["lax"] if case.valid else [case.expected["where"]]
        assert names_one_of(refused.value, places), f"{refused.value}\n\nwanted: {places}"


def test_differences_are_ones() -> None:
    for name, (what, _) in DIFFERENCES.items():
        case = pipelines()[name]
        assert case.valid == (what == "refuses"), name
        assert what == "accepts" or case.expected["lax"], name


def names_one_of(error: InvalidPipeline, places: list[str]) -> bool:
    """Whether every problem stands on a branch that should have one."""

    def on_branch(key: str, place: str) -> bool:
        return key == place or place.startswith(f"{key}.") or key.startswith(f"{place}.")

    return all(
        any(on_branch(problem.key or "", place) or not place for place in places)
        for problem in error.problems
    )


def reloaded(job: PipelineJob) -> PipelineJob:
    assert job.path is not None
    again = job.path.with_name("again.yml")
    again.write_text(job.to_yaml())
    try:
        return load_pipeline(again)
    finally:
        again.unlink()


def assert_agrees(job: PipelineJob, expected: dict[str, Any]) -> None:
    wanted = {"settings": {}} | without_empty(expected.get("job", {}))
    assert {"settings": {}} | without_empty(job_level(job)) == wanted
    assert set(job.jobs) == set(expected["steps"])
    for name, step in expected["steps"].items():
        ours = step_level(job, name)
        for key, value in step.items():
            if key == "mini_batch_size":
                assert (ours[key] or None) == (value or None)
            elif key == "retry_settings":
                assert ours[key] == (value or {"max_retries": None, "timeout": None})
            elif key == "inputs" or key == "outputs":
                compare_ports(ours[key], value, f"{name}.{key}")
            elif key == "metadata":
                assert value.items() <= ours[key].items()
            else:
                assert ours[key] == value, f"{name}.{key}"


def compare_ports(ours: dict[str, Any], wanted: dict[str, Any], what: str) -> None:
    assert set(ours) == set(wanted), what
    for name, value in wanted.items():
        for key, part in value.items():
            assert ours[name].get(key) == part, f"{what}.{name}.{key}"
        # What the reference does not say, it leaves out: only types that it does not look up
        # (blanks inside braces) and modes that are ours by default may be more.
        assert set(ours[name]) - set(value) <= {"type"}, f"{what}.{name}"


def job_level(job: PipelineJob) -> dict[str, Any]:
    document = job.document.data
    data = job.dump()
    for key in (
        "$schema",
        "type",
        "jobs",
        "id",
        "status",
        "creation_context",
        "log_files",
        "services",
    ):
        data.pop(key, None)
    if "compute" in data:
        data["compute"] = data["compute"].removeprefix("azureml:")
    data.setdefault("settings", {})
    for key in ("default_compute", "default_datastore"):
        if key in data["settings"]:
            data["settings"][key] = data["settings"][key].removeprefix("azureml:")
    if job.inputs:
        data["inputs"] = {name: written_input(value) for name, value in job.inputs.items()}
    if job.outputs:
        data["outputs"] = {
            name: without_none({"type": output.type, "mode": output.mode, "path": output.path})
            for name, output in job.outputs.items()
        }
        for name, output in document["outputs"].items():
            if output is not None:
                data["outputs"][name].setdefault("type", "uri_folder")
    return data


def written_input(value: Any) -> dict[str, Any]:
    if isinstance(value, DataInput):
        path = value.path
        if path and re.fullmatch(r"azureml:[^/:@]+(:[^/]+|@[^/]+)", path):
            path = path.removeprefix("azureml:")
        return without_none({"type": value.type, "mode": value.mode, "path": path})
    return {"literal": value, "type": literal_type(value)}


def step_level(job: PipelineJob, name: str) -> dict[str, Any]:
    step = job.jobs[name]
    component = job.steps.components.get(name)
    lent = component.model if component else None
    folder = component.document.folder if component else job.folder
    data: dict[str, Any] = {
        "type": step.type,
        "compute": step.compute.removeprefix("azureml:") if step.compute else None,
        "environment_variables": dict(step.environment_variables),
        "metadata": without_none(
            {
                key: getattr(step, key, None)
                for key in ("display_name", "description", "tags", "properties", "comment")
            }
        ),
        "inputs": step_inputs(job, name),
        "outputs": step_outputs(job, name),
    }
    if step.identity is not None:
        data["identity"] = step.identity.dump()
    if component is not None:
        data["component"] = plain_path(component.document.folder / "x", job.folder)[:-1] + str(
            Path(component.document.file or "").name
        )
        data["component_inputs"] = {
            key: declared.dump() for key, declared in component.model.inputs.items()
        }
    resources = getattr(step, "resources", None) or getattr(lent, "resources", None)
    rest = resources.dump() if resources is not None else {}
    rest.pop("instance_count", None)
    beside = ("instance_type", "shm_size", "docker_args")
    data["resources"] = rest | without_none({key: getattr(step, key, None) for key in beside})
    if step.type == "parallel":
        keys = StepKeys.of(job.steps, name)
        settings = effective_settings(keys)
        task, code = keys.effective("task"), keys.effective("task", "code", at_top=True)
        base = task.document.folder
        for key in (
            "mini_batch_size",
            "partition_keys",
            "max_concurrency_per_instance",
            "instance_count",
            "mini_batch_error_threshold",
            "error_threshold",
            "logging_level",
        ):
            data[key] = settings[key].value
        data["input_data"] = keys.effective("input_data", inherit=Inherit.IF_EMPTY).value
        data["retry_settings"] = {key: settings[key].value for key in ("max_retries", "timeout")}
        data["task"] = without_none(
            {
                "type": task.value.type,
                "code": code.value and plain_path(base / code.value, job.folder),
                "entry_script": task.value.entry_script,
                "model": task.value.model,
                "environment": environment(task.value.environment, base),
            }
        )
        data["program_arguments"] = task.value.program_arguments
        data["append_row_to"] = task.value.append_row_to
    else:
        code = lent.code if lent else step.code
        data["command"] = lent.command if lent else step.command
        data["code"] = code and plain_path(folder / code, job.folder)
        data["environment"] = environment(step.environment or lent.environment, folder)
        data["instance_count"] = resources.instance_count if resources else None
        data["limits"] = step.limits.dump() if step.limits else None
        data["distribution"] = step.distribution.dump() if step.distribution else None
    return data


def step_inputs(job: PipelineJob, name: str) -> dict[str, Any]:
    diagnostics = JobDiagnostics(job.document)
    level = top_level(job, {}, diagnostics, complete=False)
    resolved = Bindings(level, diagnostics).of_step(name)
    component = job.steps.components.get(name)
    found: dict[str, Any] = {}
    for key, value in job.jobs[name].inputs.items():
        path = value.path if isinstance(value, DataInput) else value
        port = written_input(value)
        if component and isinstance(value, str) and isinstance(resolved[key], Data):
            port = written_input(DataInput(path=value))
        if whole(path):
            port = {"bound_to": path}
            if isinstance(resolved[key], (Data, OutputOf)) or not isinstance(value, DataInput):
                port["type"] = getattr(resolved[key], "type", None)
        if component:
            lent = component.model.inputs[key]
            if isinstance(resolved[key], (Data, OutputOf)):
                port["type"] = lent.type
            port |= {"mode": lent.mode} if lent.mode else {}
        if isinstance(value, DataInput) and value.mode:
            port["mode"] = value.mode
        bound = whole(value) if isinstance(value, str) else None
        if bound and not component and bound.words[:2] == ("parent", "inputs") and " " not in value:
            source = job.inputs[bound.name]
            if isinstance(source, DataInput) and source.mode:
                port.setdefault("mode", source.mode)
        found[key] = without_none(port)
    return found


def step_outputs(job: PipelineJob, name: str) -> dict[str, Any]:
    component = job.steps.components.get(name)
    given = job.jobs[name].outputs
    declared = component.model.outputs if component else dict.fromkeys(given)
    found: dict[str, Any] = {}
    for key, lent in declared.items():
        value = given.get(key)
        if value is None and key not in given and component is None:
            continue
        port: dict[str, Any] = {"type": "uri_folder"}
        own: Any = value
        if isinstance(value, str):
            expression = whole(value)
            assert expression is not None
            port["bound_to"] = value
            own = job.outputs[expression.name] if component is None else None
        if isinstance(own, Output):
            port |= own.dump()
        if lent is not None:
            port["type"] = lent.type
        found[key] = port
    return found


def environment(value: Any, folder: Path) -> Any:
    if isinstance(value, str):
        return value.removeprefix("azureml:") if not value.startswith("azureml://") else value
    kept = {"image", "conda_file", "build", "os_type"}
    data = {key: part for key, part in value.dump().items() if key in kept}
    if isinstance(data.get("conda_file"), str):
        data["conda_file"] = yaml.safe_load((folder / data["conda_file"]).read_text())
    return data


def plain_path(path: Path, base: Path) -> str:
    return str(Path(path).resolve().relative_to(base.resolve()))


def without_empty(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value != {}}


def without_none(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None}
