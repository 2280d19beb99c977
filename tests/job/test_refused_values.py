"""Values that azure-ai-ml refuses, too, each at its place."""

from __future__ import annotations

import pytest

from prefect_parallel.job import Data

from .conftest import Folder

ENVIRONMENT = "\n    environment: azureml:any:1\n"

COMPONENT = """\
type: command
inputs:
  files: {type: uri_folder}
  x: {type: string, default: a}
outputs:
  report: {type: uri_folder}
command: ls ${{inputs.files}} ${{inputs.x}}
environment: azureml:any:1
"""


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("$schema:", "$schema"),
        ("id:", "id"),
        ("description: 2024-01-02", "description"),
        ("tags: {day: 2024-01-02}", "tags.day"),
        ("services: {a: 1}", "services.a"),
        ("services:", "services"),
    ],
)
def test_at_the_job(folder: Folder, line: str, key: str) -> None:
    assert folder.replace("inputs:\n", f"{line}\ninputs:\n").problem().key == key


@pytest.mark.parametrize("name", ["AMLToken", "UserIdentity", "USER_IDENTITY", "Managed"])
def test_identities(folder: Folder, name: str) -> None:
    folder.replace("inputs:\n", f"identity: {{type: {name}}}\ninputs:\n").load()


@pytest.mark.parametrize("name", ["amltoken", "AML_Token", "useridentity", "''", "x"])
def test_no_identities(folder: Folder, name: str) -> None:
    problem = folder.replace("inputs:\n", f"identity: {{type: {name}}}\ninputs:\n").problem()
    assert problem.key == "identity.type"


def test_keys_of_a_managed_identity(folder: Folder) -> None:
    folder.replace("inputs:\n", "identity: {type: managed, client_id: x}\ninputs:\n").load()
    folder.text = folder.text.replace("type: managed", "type: user_identity")
    assert folder.problem().key == "identity.client_id"


@pytest.mark.parametrize("value", ["2024-01-02", ".inf", ".nan", "{value: 2024-01-02}"])
def test_literals(folder: Folder, value: str) -> None:
    problem = folder.replace("label: red", f"label: {value}").problem()
    assert problem.key == "inputs.label"


def test_a_date_is_told_from_text(folder: Folder) -> None:
    problem = folder.replace("label: red", "label: 2024-01-02").problem()
    assert problem.message == "found the date 2024-01-02"
    assert problem.hint == 'quote it: "2024-01-02"'


def test_a_date_on_the_command_line_is_text(folder: Folder) -> None:
    assert folder.load("inputs.label=2024-01-02").inputs["label"] == "2024-01-02"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("path: ./data}\n      label", "path: ./data, description: x}\n      label", "description"),
        ("{type: uri_file}", "{type: uri_file, description: x}", "description"),
        ("{type: uri_file}", "{type: uri_file, name: a b}", "name"),
        ("{type: uri_file}", "{type: uri_file, version: 3}", "version"),
    ],
)
def test_ports(folder: Folder, old: str, new: str, key: str) -> None:
    problem = folder.replace(old, new).problem()
    assert problem.key is not None
    assert problem.key.rpartition(".")[2] == key


def test_a_name_and_a_version(folder: Folder) -> None:
    folder.replace("{type: uri_file}", "{type: uri_file, name: a-b_1, version: 3}").load()


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("comment: x", "comment"),
        ("tags: {a: 1}", "tags.a"),
        ("services: {a: x}", "services.a"),
        ("resources: {properties: 5}", "resources.properties"),
        ("resources: {docker_args: {}}", "resources.docker_args"),
        ("resources: {docker_args: [1]}", "resources.docker_args"),
        ("resources: {instance_count: '${{parent.inputs.rows}}'}", "resources.instance_count"),
        ("limits: {timeout: '${{parent.inputs.rows}}'}", "limits.timeout"),
        ("distribution: {}", "distribution.type"),
        ("distribution: {type: x}", "distribution.type"),
        ("distribution: {type: mpi, worker_count: 2}", "distribution.worker_count"),
        ("distribution: {type: mpi, process_count_per_instance: x}", None),
        ("queue_settings: {job_tier: x}", "queue_settings.job_tier"),
        ("queue_settings: {priority: }", "queue_settings.priority"),
    ],
)
def test_of_a_command_step(folder: Folder, line: str, key: str | None) -> None:
    problem = folder.replace("    command: cp", f"    {line}\n    command: cp").problem()
    wanted = key or "distribution.process_count_per_instance"
    assert problem.key == f"jobs.second.{wanted}"


@pytest.mark.parametrize(
    "line",
    [
        "resources: {docker_args: [--ipc=host], shm_size: 2g}",
        "distribution: {type: PyTorch, process_count_per_instance: 2}",
        "distribution: {type: ray, include_dashboard: false, port: 1234}",
        "queue_settings: {job_tier: Standard, priority: low}",
        "services: {board: {type: tensor_board}}",
    ],
)
def test_what_has_no_meaning_here_is_accepted(folder: Folder, line: str) -> None:
    job = folder.replace("    command: cp", f"    {line}\n    command: cp").load()
    key = f"jobs.second.{line.partition(':')[0]}"
    assert job.ignored
    assert all(path.startswith(key) for path in job.ignored)
    folder.text = job.to_yaml()
    assert folder.load() == job


@pytest.mark.parametrize(
    ("environment", "key"),
    [
        ("{image: i, conda_file: 5}", "conda_file"),
        ("{image: i, conda_file: data}", "conda_file"),
        ("{image: i, conda_file: bad.yml}", "conda_file"),
        ("{image: i, conda_file: list.yml}", "conda_file"),
        ("{image: i, conda_file: https://example.org/conda.yml}", "conda_file"),
        ("{build: {path: https://example.org/context}}", "build.path"),
        ("{image: i, description: }", "description"),
    ],
)
def test_of_an_environment(folder: Folder, environment: str, key: str) -> None:
    folder.add("bad.yml", "a: [\n").add("list.yml", "- a\n")
    problem = folder.replace(ENVIRONMENT, f"\n    environment: {environment}\n").problem()
    assert problem.key == f"jobs.second.environment.{key}"


@pytest.mark.parametrize(
    ("declared", "key"),
    [
        ("{type: string, mode: direct}", "mode"),
        ("{type: string, default: a, min: 1}", "min"),
        ("{type: integer, default: 1, max: x}", "max"),
        ("{type: integer, default: 1, enum: [1]}", "enum.0"),
        ("{type: integer, default: 1, enum: [x]}", "enum"),
        ("{type: number, default: .inf}", "default"),
        ("{type: uri_folder, default: ./data}", "default"),
        ("{type: uri_folder, optional: true, enum: [a]}", "enum"),
    ],
)
def test_of_an_input_of_a_component(folder: Folder, declared: str, key: str) -> None:
    component_step(folder, COMPONENT.replace("{type: string, default: a}", declared))
    assert folder.problem().key == f"jobs.second.component.inputs.x.{key}"


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("$schema:", "$schema"),
        ("is_deterministic: maybe", "is_deterministic"),
        ("properties: 5", "properties"),
        ("environment_variables: 5", "environment_variables"),
        ("distribution: {type: x}", "distribution.type"),
    ],
)
def test_of_a_component(folder: Folder, line: str, key: str) -> None:
    component_step(folder, f"{line}\n{COMPONENT}")
    assert folder.problem().key == f"jobs.second.component.{key}"


def test_named_values_of_an_input_are_of_its_type(folder: Folder) -> None:
    declared = "{type: integer, enum: ['1', '2'], default: 1}"
    component_step(folder, COMPONENT.replace("{type: string, default: a}", declared))
    folder.text = folder.text.replace("      files:", "      x: 2\n      files:")
    folder.load()
    folder.text = folder.text.replace("      x: 2", "      x: 3")
    problem = folder.problem()
    assert (problem.key, problem.allowed) == ("jobs.second.inputs.x", "1, 2")


@pytest.mark.parametrize(("old", "new"), [("${{parent.jobs.first.outputs.rows}}", "5")])
def test_data_of_a_component_is_no_number(folder: Folder, old: str, new: str) -> None:
    component_step(folder, COMPONENT)
    folder.text = folder.text.replace(old, new)
    assert folder.problem().key == "jobs.second.inputs.files"


def test_text_as_an_output_beside_a_component(folder: Folder) -> None:
    component_step(folder, COMPONENT)
    folder.text += "    outputs: {report: ./somewhere}\n"
    assert folder.problem().key == "jobs.second.outputs.report"


def test_a_bound_number_of_nodes_stands_under_resources(folder: Folder) -> None:
    folder.add("parts/code/entry.py", "def init(): ...\ndef run(x): return x\n")
    folder.add(
        "parts/part.yml",
        "type: parallel\ninputs: {files: {type: uri_folder}}\ninput_data: ${{inputs.files}}\n"
        "task: {type: run_function, code: ./code, entry_script: entry.py, "
        "environment: azureml:any:1}\n",
    )
    folder.text = """\
type: pipeline
inputs: {nodes: 2}
jobs:
  one:
    type: parallel
    component: ./parts/part.yml
    inputs: {files: {type: uri_folder, path: ./data}}
    resources: {instance_count: '${{parent.inputs.nodes}}'}
"""
    folder.load()
    folder.text = folder.text.replace("resources: {instance_count: ", "instance_count: ")
    folder.text = folder.text.replace("}}'}", "}}'")
    assert folder.problem().key == "jobs.one.instance_count"


def component_step(folder: Folder, component: str) -> None:
    """Make the second step one by a component."""
    folder.add("parts/part.yml", component)
    head = folder.text.partition("  second:\n")[0]
    folder.text = f"""{head}  second:
    type: command
    component: ./parts/part.yml
    inputs:
      files: ${{{{parent.jobs.first.outputs.rows}}}}
"""


def test_a_component_in_place_is_told_of(folder: Folder) -> None:
    """Its step is no step without a type: that would lead astray."""
    folder.text = folder.text.partition("  second:\n")[0]
    folder.text += "  second:\n    component: {type: command, command: ls}\n"
    assert folder.problem().key == "jobs.second.component"


@pytest.mark.parametrize("name", ["Command", "COMMAND"])
def test_types_of_components_are_in_any_case(folder: Folder, name: str) -> None:
    component_step(folder, COMPONENT.replace("type: command", f"type: {name}", 1))
    assert folder.load().jobs["second"].type == "command"


@pytest.mark.parametrize("path", ["file:data", "file:./data", "file://data"])
def test_a_file_url_counts_from_the_pipeline(folder: Folder, path: str) -> None:
    folder.replace("path: ./data}\n      label", f"path: {path}}}\n      label")
    files = folder.load().resolve().steps["first"].inputs["files"]
    assert isinstance(files, Data)
    assert files.location == str(folder.path / "data")
