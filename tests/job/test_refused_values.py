"""Values that azure-ai-ml refuses, too, each at its place."""

from __future__ import annotations

import pytest

from prefect_parallel.errors import InvalidPipeline
from prefect_parallel.job import Data, Literal, resolve

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
        "resources: {locations: [here], instance_count: 2}",
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
    files = resolve(folder.load()).steps["first"].inputs["files"]
    assert isinstance(files, Data)
    assert files.location == str(folder.path / "data")


FILES = "{type: uri_folder, path: ./data}\n      label"


@pytest.mark.parametrize(
    ("files", "key", "message"),
    [
        ("{path: '${{parent.inputs.rows}}'}", "path", "${{parent.inputs.rows}} is 3, not data"),
        ("{path: '${{parent.inputs.label}}'}", "path", "there is no FOLDER/red"),
        ("${{name}}", "", "${{name}} is not allowed here"),
        ("{type: uri_folder}", "path", "the key is missing"),
        ("{path: 'data ${{parent.inputs.label'}", "path", "unclosed expression"),
        ("{type: mltable, path: ./data/a.txt}", "path", "FOLDER/data/a.txt is not a folder"),
    ],
)
def test_of_a_data_input(folder: Folder, files: str, key: str, message: str) -> None:
    folder.replace(FILES, f"{files}\n      label")
    with pytest.raises(InvalidPipeline) as refused:
        resolve(folder.load())
    problem = refused.value.problems[0]
    assert problem.key == f"jobs.first.inputs.files.{key}".rstrip(".")
    assert problem.message.startswith(message.replace("FOLDER", str(folder.path)))


def test_a_path_by_a_text_of_the_pipeline(folder: Folder) -> None:
    folder.replace("label: red", "label: data")
    folder.replace(FILES, "{path: '${{parent.inputs.label}}'}\n      label")
    files = resolve(folder.load()).steps["first"].inputs["files"]
    assert isinstance(files, Data)
    assert files.location == str(folder.path / "data")


@pytest.mark.parametrize(
    ("declared", "given", "message", "allowed"),
    [
        ("string", "${{parent.inputs.stock}}", "found data", "a value of type string"),
        ("uri_folder", "${{parent.inputs.label}}", "found 'red'", "a value of type uri_folder"),
        ("boolean", "'yes'", "found 'yes'", "a value of type boolean"),
        ("number, max: 2", "nan", "found 'nan'", "a value of type number"),
        ("number", "'-inf'", "found '-inf'", "a value of type number"),
        ("integer", "1e999", "found '1e999'", "a value of type integer"),
        ("integer, min: 2", "1", "found the number 1", "at least 2"),
        ("integer", "2.5", "found 2.5", "a value of type integer"),
    ],
)
def test_what_a_component_s_input_is_given(
    folder: Folder, declared: str, given: str, message: str, allowed: str
) -> None:
    component_step(folder, COMPONENT.replace("string, default: a", declared))
    folder.text += f"      x: {given}\n"
    problem = folder.problem()
    assert (problem.key, problem.message) == ("jobs.second.inputs.x", message)
    assert problem.allowed == allowed


@pytest.mark.parametrize(
    ("declared", "given", "value"),
    [
        ("boolean", "'False'", False),
        ("boolean", "${{parent.inputs.deep}}", False),
        ("number", "'2.5'", 2.5),
        ("number", "3", 3),
        ("string", "${{parent.inputs.deep}}", "False"),
    ],
)
def test_a_component_s_input_is_of_its_type(
    folder: Folder, declared: str, given: str, value: object
) -> None:
    component_step(folder, COMPONENT.replace("string, default: a", declared))
    folder.text += f"      x: {given}\n"
    given_ = resolve(folder.load()).steps["second"].inputs["x"]
    assert given_ == Literal(value, declared)


def test_a_type_that_is_none_is_one_mistake(folder: Folder) -> None:
    component_step(folder, COMPONENT.replace("string, default: a", "strng, default: a, min: 1"))
    problem = folder.problem()
    assert problem.key == "jobs.second.component.inputs.x.type"
    assert problem.hint == "did you mean string?"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("type: command\n", "", "the key is missing"),
        ("type: command\n", "type: sweep\n", "found 'sweep'"),
    ],
)
def test_no_type_of_a_component(folder: Folder, old: str, new: str, message: str) -> None:
    component_step(folder, COMPONENT.replace(old, new, 1))
    problem = folder.problem()
    assert (problem.key, problem.message) == ("jobs.second.component.type", message)
    assert problem.allowed == "parallel, command, pipeline"


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ("--label ${{inputs.label}}", "--error_threshold",
         "task.program_arguments", "--error_threshold: no value follows"),
        ("--label ${{", "--error_threshold ${{",
         "task.program_arguments", "--error_threshold: found 'red'"),
        ("append_row_to: ${{outputs.rows}}", "append_row_to: ${{outputs.rows}}/../x",
         "task.append_row_to", "found '${{outputs.rows}}/../x'"),
        ("append_row_to: ${{outputs.rows}}", "append_row_to: ${{outputs.rows}}x",
         "task.append_row_to", "found '${{outputs.rows}}x'"),
        ('"5"', "${{parent.inputs.lable}}",
         "mini_batch_size", "${{parent.inputs.lable}}: the pipeline has no input lable"),
        ('"5"', "'5'\n    environment_variables: {A: '${{parent.inputs.lable}}'}",
         "environment_variables.A", "${{parent.inputs.lable}}: the pipeline has no input lable"),
        ("uri_file}", "uri_file, path: 's3://b/${{inputs.label'}",
         "outputs.rows.path", "unclosed expression: ${{inputs.label"),
        ("uri_file}", "uri_file, path: 's3://b/${{inputs.files}}'}",
         "outputs.rows.path", "${{inputs.files}}: there is no literal input files"),
        ("uri_file}", "uri_file, path: 'azureml:rows:1'}",
         "outputs.rows.path", "found 'azureml:rows:1'"),
        ("--label ${{inputs.label}}", '"a\\0b"',
         "task.program_arguments", "cannot be split into words: found a NUL character"),
        ('"5"', "${{parent.inputs.stock}}",
         "mini_batch_size", "${{parent.inputs.stock}}: the pipeline's input stock is data"),
        ("uri_file}", "uri_file, path: 's3://b/${{parent.inputs.label}}'}",
         "outputs.rows.path", "${{parent.inputs.label}} is not allowed here"),
        ('mini_batch_size: "5"', "partition_keys: ['${{inputs.label}}']",
         "partition_keys", "${{inputs.label}} is not allowed here"),
        ('"5"', "'5'\n    environment_variables: {A=B: x}",
         "environment_variables.A=B", "invalid name 'A=B' of a variable"),
    ],
)  # fmt: skip
def test_of_a_parallel_step(folder: Folder, old: str, new: str, key: str, message: str) -> None:
    problem = folder.replace(old, new).problem()
    assert (problem.key, problem.message) == (f"jobs.first.{key}", message)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ('"a\\0b"', "a command cannot contain a NUL character"),
        ("((a=${{inputs.rows}}))", "assign it to a variable and check that first"),
    ],
)
def test_of_a_command(folder: Folder, command: str, message: str) -> None:
    problem = folder.replace("cp ${{inputs.rows}} ${{outputs.report}}/", command).problem()
    assert problem.key == "jobs.second.command"
    assert problem.message.endswith(message)


def test_an_entry_script_that_is_no_python(folder: Folder) -> None:
    (folder.path / "code" / "entry.py").write_bytes(b"def init(): ...\n\0")
    problem = folder.problem()
    assert "null bytes" in problem.message


def test_inputs_that_lead_through_many_others(folder: Folder) -> None:
    for number in range(25):
        there = f"jobs.s{number + 1}.inputs.x" if number < 24 else "inputs.label"
        folder.text += f"""\
  s{number}:
    type: command
    inputs: {{x: '${{{{parent.{there}}}}}'}}
    command: echo ${{{{inputs.x}}}}
    environment: azureml:any:1
"""
    problems = folder.problems()
    assert problems[0].key == "jobs.s20.inputs.x"
    assert "leads through more than 20 other inputs" in problems[0].message
