"""From what is written to what runs."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import yaml

from prefect_parallel.errors import InvalidPipeline
from prefect_parallel.job import (
    AppendRowTo,
    CommandStep,
    Data,
    Literal,
    Missing,
    OutputOf,
    OutputSpec,
    ParallelStep,
    Parameter,
    load_pipeline,
    resolve,
)
from prefect_parallel.job.settings.parallel_settings import SETTINGS

from .conftest import Folder

DEFAULTS = {name: setting.default for name, setting in SETTINGS.items()}


def parallel(folder: Folder, name: str = "first", **values: object) -> ParallelStep:
    step = resolve(folder.load(), values).steps[name]
    assert isinstance(step, ParallelStep)
    return step


def test_defaults_of_the_format_are_filled_in(folder: Folder) -> None:
    folder.replace('    mini_batch_size: "5"\n', "")
    step = parallel(folder)
    assert step.mini_batch_size is None
    assert step.partition_keys == ()
    assert step.instance_count == 1
    assert step.max_concurrency_per_instance is None
    assert step.compute is None
    assert (step.mini_batch_error_threshold, step.error_threshold) == (-1, -1)
    assert (step.max_retries, step.timeout) == (2, 60)
    assert step.logging_level == "INFO"
    assert {name: getattr(step, name) for name in DEFAULTS} == DEFAULTS
    assert step.environment_variables == {}
    assert step.code == folder.path / "code"
    assert step.inputs["files"] == Data(
        "uri_folder", "ro_mount", "./data", str(folder.path / "data")
    )
    assert step.outputs == {"rows": OutputSpec("uri_file")}
    assert step.append_row_to == AppendRowTo("rows")
    assert step.input_name == "files"


def test_the_steps_come_in_an_order_they_can_run_in(folder: Folder) -> None:
    job = folder.load()
    resolved = resolve(job)
    assert resolved.graph.after == {"first": set(), "second": {"first"}}
    assert list(resolved.steps) == ["first", "second"]
    second = resolved.steps["second"]
    assert isinstance(second, CommandStep)
    assert second.inputs["rows"] == OutputOf("first", "rows", "uri_file", "ro_mount")
    paths = {"inputs.rows": "/a b", "outputs.report": "/o"}
    assert second.shell_command(paths).splitlines()[-1] == (
        'cp "${__inputs_rows}" "${__outputs_report}"/'
    )


def test_what_runs_can_be_pickled(folder: Folder) -> None:
    resolved = resolve(folder.load())
    assert pickle.loads(pickle.dumps(resolved)) == resolved


def test_pipeline_inputs_are_typed_parameters(folder: Folder) -> None:
    folder.replace("path: ./data, mode: download", "path: ./data, description: Of today.")
    assert folder.load().parameters == [
        Parameter("rows", "integer", 3),
        Parameter("share", "number", 0.5),
        Parameter("label", "string", "red"),
        Parameter("deep", "boolean", False),
        Parameter("stock", "uri_folder", "./data", "Of today."),
    ]


def test_values_replace_pipeline_inputs(folder: Folder) -> None:
    folder.replace('mini_batch_size: "5"', "mini_batch_size: ${{ parent.inputs.rows }}")
    folder.replace("path: ./data}", "path: '${{parent.inputs.stock}}'}")
    folder.add("other/b.txt", "b")
    step = parallel(folder, rows=7, label="a b", stock="other")
    assert step.mini_batch_size == 7
    assert step.arguments({}) == ["--label", "a b"]
    assert step.inputs["label"] == Literal("a b", "string")
    data = step.inputs["files"]
    assert isinstance(data, Data)
    assert data.location == str(folder.path / "other")


@pytest.mark.parametrize(
    ("values", "key", "allowed"),
    [
        ({"rows": "3"}, "inputs.rows", "a value of type integer"),
        ({"rows": True}, "inputs.rows", "a value of type integer"),
        ({"share": "x"}, "inputs.share", "a value of type number"),
        ({"share": float("nan")}, "inputs.share", "a value of type number"),
        ({"deep": 1}, "inputs.deep", "a value of type boolean"),
        ({"stock": 1}, "inputs.stock", "a path or URL"),
        ({"stock": "nowhere"}, "inputs.stock", None),
        ({"raws": 3}, "inputs.raws", "rows, share, label, deep, stock"),
    ],
)
def test_values_that_do_not_fit(
    folder: Folder, values: dict[str, object], key: str, allowed: str | None
) -> None:
    job = folder.load()
    with pytest.raises(InvalidPipeline) as refused:
        resolve(job, values)
    assert [problem.key for problem in refused.value.problems] == [key]
    assert refused.value.problems[0].allowed == allowed


def test_a_value_out_of_a_settings_range_is_found_where_it_is_bound(folder: Folder) -> None:
    folder.replace('mini_batch_size: "5"', "max_concurrency_per_instance: ${{parent.inputs.rows}}")
    job = folder.load()
    with pytest.raises(InvalidPipeline) as refused:
        resolve(job, {"rows": 0})
    problem = refused.value.problems[0]
    assert problem.key == "jobs.first.max_concurrency_per_instance"
    assert problem.allowed == "a whole number, 1 or more"


def test_a_data_input_without_path_must_be_given(folder: Folder) -> None:
    folder.replace("{type: uri_folder, path: ./data, mode: download}", "{type: uri_folder}")
    folder.replace("{type: uri_folder, path: ./data}", "${{parent.inputs.stock}}")
    job = folder.load()
    with pytest.raises(InvalidPipeline, match=r"inputs\.stock: the input has no path"):
        resolve(job)
    step = resolve(job, {"stock": folder.path / "data"}).steps["first"]
    data = step.inputs["files"]
    assert isinstance(data, Data)
    assert data.location == str(folder.path / "data")


def test_one_value_stays_one_argument(folder: Folder) -> None:
    folder.replace(
        "program_arguments: --label ${{inputs.label}}",
        """program_arguments: |-
        --a "${{inputs.label}} b" 'it is' --c=${{ inputs.label }} "" \\
        --rows=${{outputs.rows}}/x --files ${{inputs.files}} plain\\ word""",
    )
    step = parallel(folder, label='it\'s "so"\n$(no)')
    value = 'it\'s "so"\n$(no)'
    assert step.arguments({"outputs.rows": "/o u t", "inputs.files": "/in"}) == [
        *("--a", f"{value} b", "it is", f"--c={value}", ""),
        *("--rows=/o u t/x", "--files", "/in", "plain word"),
    ]


def test_literals_become_text_as_in_azure(folder: Folder) -> None:
    folder.replace("label: ${{parent.inputs.label}}", "label: true")
    assert parallel(folder).arguments({}) == ["--label", "True"]
    folder.replace("label: true", "label: 0.00001")
    assert parallel(folder).arguments({}) == ["--label", "1e-05"]
    folder.replace("label: 0.00001", "label: {value: 2.0}")
    assert parallel(folder).arguments({}) == ["--label", "2.0"]


COMPONENT = """
type: parallel
name: stamp
display_name: Stamp
inputs:
  files: {type: uri_folder, mode: download}
  ink: {type: string, default: blue}
  copies: {type: integer, default: 2, min: 1, max: 9}
  note: {type: string, optional: true}
outputs:
  rows: {type: uri_file}
input_data: ${{inputs.files}}
mini_batch_size: "4"
mini_batch_error_threshold: 6
error_threshold: 7
retry_settings: {max_retries: 3, timeout: 90}
resources: {instance_count: 2}
task:
  type: run_function
  code: ./src
  entry_script: entry.py
  environment: azureml:any:1
  program_arguments: --ink ${{inputs.ink}} $[[--note ${{inputs.note}}]] -n ${{inputs.copies}}
  append_row_to: ${{outputs.rows}}
"""


@pytest.fixture
def stamp(folder: Folder) -> Folder:
    folder.add("parts/stamp.yml", COMPONENT)
    folder.add("parts/src/entry.py", "def init(): ...\ndef run(x): return x\n")
    folder.text = """\
type: pipeline
jobs:
  stamp:
    component: ./parts/stamp.yml
    inputs:
      files: {type: uri_folder, path: ./data}
"""
    return folder


def test_a_component_lends_its_settings(stamp: Folder) -> None:
    step = parallel(stamp, "stamp")
    assert step.display_name == "Stamp"
    assert step.code == stamp.path / "parts" / "src"
    assert (step.mini_batch_size, step.instance_count) == (4, 2)
    assert (step.mini_batch_error_threshold, step.error_threshold) == (6, 7)
    assert (step.max_retries, step.timeout) == (3, 90)
    files = step.inputs["files"]
    assert isinstance(files, Data)
    assert files.mode == "download"
    assert step.inputs["note"] == Missing(left_out=True)
    assert step.arguments({}) == ["--ink", "blue", "-n", "2"]
    assert step.outputs == {"rows": OutputSpec("uri_file")}


def test_code_beside_a_component_s_task(stamp: Folder) -> None:
    text = COMPONENT.replace("  code: ./src\n", "").replace("task:", "code: ./src\ntask:")
    stamp.add("parts/stamp.yml", text)
    assert parallel(stamp, "stamp").code == stamp.path / "parts" / "src"


def test_text_is_the_path_of_a_component_s_data(stamp: Folder) -> None:
    stamp.replace("{type: uri_folder, path: ./data}", "./data")
    data = str(stamp.path / "data")
    found = parallel(stamp, "stamp").inputs["files"]
    assert found == Data("uri_folder", "download", "./data", data)
    stamp.add("runs/one/job.yml", stamp.load().to_yaml(absolute_paths=True))
    (step,) = resolve(load_pipeline(stamp.path / "runs/one/job.yml")).steps.values()
    assert step.inputs["files"] == Data("uri_folder", "download", data, data)


@pytest.mark.parametrize("binding", ["${{parent.inputs.stock}}", "${{parent.jobs.make.outputs.o}}"])
def test_a_binding_has_the_type_and_mode_that_the_component_declares(
    stamp: Folder, binding: str
) -> None:
    declared = COMPONENT.replace("{type: uri_folder, mode: download}", "{type: mltable}")
    stamp.replace("{type: uri_folder, path: ./data}", binding)
    stamp.replace("jobs:", "inputs: {stock: {type: uri_folder, path: ./data}}\njobs:")
    stamp.text += """\
  make:
    type: command
    outputs: {o: {type: uri_folder}}
    command: touch ${{outputs.o}}/a
    environment: azureml:any:1
"""
    for mode in ("ro_mount", "eval_download", "direct"):
        given = "" if mode == "ro_mount" else f", mode: {mode}"
        stamp.add("parts/stamp.yml", declared.replace("mltable}", f"mltable{given}}}"))
        files = parallel(stamp, "stamp").inputs["files"]
        assert isinstance(files, (Data, OutputOf))
        assert (files.type, files.mode) == ("mltable", mode)


def test_nodes_of_a_component_stand_in_one_place(stamp: Folder) -> None:
    stamp.add("parts/stamp.yml", COMPONENT.replace("resources:", "instance_count: 3\nresources:"))
    problem = stamp.problem()
    assert problem.key == "jobs.stamp.component.instance_count"
    assert problem.hint == "move it to resources.instance_count"


def test_a_steps_own_settings_win(stamp: Folder) -> None:
    stamp.text += """\
      ink: dark red
      note: "-"
    outputs: {rows: {mode: upload}}
    mini_batch_size: 1kb
    instance_count: 5
    error_threshold: 0
    retry_settings: {max_retries: 0}
    display_name: Mine
"""
    step = parallel(stamp, "stamp")
    assert step.display_name == "Mine"
    assert (step.mini_batch_size, step.instance_count, step.error_threshold) == (1024, 5, 0)
    assert (step.max_retries, step.timeout) == (0, 60)
    assert step.arguments({}) == ["--ink", "dark red", "--note", "-", "-n", "2"]


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("      copies: 10", "jobs.stamp.inputs.copies"),
        ("      copies: two", "jobs.stamp.inputs.copies"),
        ("      ink: {type: uri_file, path: ./data/a.txt}", "jobs.stamp.inputs.ink"),
        ("    mini_batch_sise: '3'", "jobs.stamp.mini_batch_sise"),
        ("    compute: 3", "jobs.stamp.compute"),
    ],
)
def test_what_a_component_step_cannot_set(stamp: Folder, line: str, key: str) -> None:
    stamp.text += line + "\n"
    problem = stamp.problem()
    assert problem.key == key
    assert problem.line == stamp.text.count("\n")


def test_a_component_needs_what_it_declares(stamp: Folder) -> None:
    stamp.replace("      files: {type: uri_folder, path: ./data}\n", "      ink: red\n")
    assert stamp.problem().key == "jobs.stamp.inputs.files"


def test_an_optional_input_must_stand_in_brackets(stamp: Folder) -> None:
    stamp.add("parts/stamp.yml", COMPONENT.replace("$[[", "").replace("]]", ""))
    problem = stamp.problem()
    assert problem.key == "jobs.stamp.component.task.program_arguments"
    assert problem.file == str(stamp.path / "parts" / "stamp.yml")
    assert "$[[" in (problem.hint or "")


def test_a_mistake_in_a_component_is_told_once_and_where_it_stands(stamp: Folder) -> None:
    stamp.add("parts/stamp.yml", COMPONENT.replace("timeout: 90", "timeout: 0"))
    stamp.text += (
        "  again:\n    component: ./parts/stamp.yml\n    inputs: {files: {path: ./data}}\n"
    )
    problem = stamp.problem()
    assert (problem.file, problem.line) == (str(stamp.path / "parts" / "stamp.yml"), 16)
    assert problem.allowed == "a whole number of seconds from 1 to 259200"


def test_inputs_of_other_steps_lead_to_what_they_are(folder: Folder) -> None:
    folder.text += """\
  third:
    type: command
    inputs:
      files: ${{parent.jobs.first.inputs.files}}
      rows: ${{parent.jobs.second.inputs.rows}}
    command: ls ${{inputs.files}} ${{inputs.rows}}
    environment: azureml:any:1
"""
    job = folder.load()
    assert resolve(job).graph.after["third"] == {"first"}
    third = resolve(job).steps["third"]
    files = third.inputs["files"]
    assert isinstance(files, Data)
    assert files.path == "./data"
    assert third.inputs["rows"] == OutputOf("first", "rows", "uri_file", "ro_mount")


def test_outputs_bound_to_the_pipeline(folder: Folder) -> None:
    folder.replace("inputs:\n", "outputs:\n  all: {type: uri_file, mode: upload}\ninputs:\n")
    folder.replace("rows: {type: uri_file}", "rows: ${{parent.outputs.all}}")
    resolved = resolve(folder.load())
    assert resolved.outputs == {"all": OutputSpec("uri_file")}
    assert resolved.steps["first"].outputs["rows"] == OutputSpec("uri_file", bound_to="all")


def test_names_that_only_a_run_has_stay_in_an_outputs_path(folder: Folder) -> None:
    folder.replace("type: pipeline", "type: pipeline\nsettings: {default_datastore: azureml:s}")
    folder.replace(
        "report: {type: uri_folder}",
        'report: {path: "azureml://datastores/${{ default_datastore }}/paths/${{name}}/x"}',
    )
    output = resolve(folder.load()).steps["second"].outputs["report"]
    assert output.location == "azureml://datastores/s/paths/${{name}}/x"


def test_values_within_text(folder: Folder) -> None:
    folder.replace("label: ${{parent.inputs.label}}", "label: a ${{ parent.inputs.label }} one")
    assert parallel(folder).arguments({}) == ["--label", "a red one"]


def test_append_row_to_a_file_below_an_output(folder: Folder) -> None:
    folder.replace("rows: {type: uri_file}", "rows: {type: uri_folder}")
    folder.replace("append_row_to: ${{outputs.rows}}", "append_row_to: ${{outputs.rows}}/a/b.csv")
    assert parallel(folder).append_row_to == AppendRowTo("rows", "a/b.csv")


def test_environment_variables_become_text(folder: Folder) -> None:
    folder.text += "    environment_variables: {A: 1, B: true, C: '${{parent.inputs.share}}'}\n"
    second = resolve(folder.load()).steps["second"]
    assert second.environment_variables == {"A": "1", "B": "True", "C": "0.5"}


def test_compute_comes_from_the_step_the_job_or_its_settings(folder: Folder) -> None:
    folder.replace("type: pipeline", "type: pipeline\nsettings: {default_compute: azureml:a}")
    assert parallel(folder).compute == "a"
    folder.replace("type: pipeline", "type: pipeline\ncompute: b")
    assert parallel(folder).compute == "b"
    folder.replace("    type: parallel", "    type: parallel\n    compute: azureml:c")
    assert parallel(folder).compute == "c"


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("s3://b/k", "s3://b/k"),
        ("azureml:sales:3", "azureml:sales:3"),
        ("azureml://datastores/d/paths/p", "azureml://datastores/d/paths/p"),
        ("file://{folder}/data", "{folder}/data"),
        ("{folder}/data/../data", "{folder}/data"),
        ("data/", "{folder}/data"),
    ],
)
def test_locations(folder: Folder, path: str, location: str) -> None:
    folder.replace("path: ./data}", f"path: '{path.format(folder=folder.path)}'}}")
    data = parallel(folder).inputs["files"]
    assert isinstance(data, Data)
    assert data.location == location.format(folder=folder.path)


def test_relative_paths_do_not_follow_the_working_directory(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(folder.path.parent)
    (folder.path / "pipeline.yml").write_text(folder.text)
    job = load_pipeline(Path(folder.path.name) / "pipeline.yml")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    step = resolve(job).steps["first"]
    assert isinstance(step, ParallelStep)
    assert step.code == folder.path / "code"
    assert job.path == folder.path / "pipeline.yml"


def test_docker_args_are_split_as_by_a_shell(folder: Folder) -> None:
    resources = """    resources: {shm_size: 2g, docker_args: "--env 'A=b c'"}"""
    folder.replace("    type: parallel", f"    type: parallel\n{resources}")
    assert parallel(folder).docker_options == ("--shm-size=2g", "--env", "A=b c")
    problem = folder.replace("c'", "c").problem()
    assert problem.key == "jobs.first.resources.docker_args"
    assert "no closing quotation" in problem.message


def test_what_has_no_meaning_here_is_named_once(folder: Folder) -> None:
    folder.replace("type: pipeline", "type: pipeline\nexperiment_name: e\nproperties: {a: b}")
    folder.replace("    type: parallel", "    type: parallel\n    resources: {instance_type: x}")
    folder.text += "    resources: {instance_count: 4}\n"
    assert folder.load().ignored == [
        "experiment_name",
        "properties",
        "jobs.first.resources.instance_type",
        "jobs.second.resources.instance_count",
    ]


def test_the_yaml_of_a_run_loads_from_anywhere(stamp: Folder, tmp_path: Path) -> None:
    stamp.add("code/conda.yml", "dependencies: []")
    stamp.text = stamp.text.replace(
        "jobs:", "inputs:\n  n: 2\n  d: {type: uri_folder, path: data}\njobs:"
    )
    stamp.text += """\
  copy:
    type: command
    command: ls ${{inputs.d}} ${{inputs.n}}
    code: ./code
    environment: {image: i, conda_file: code/conda.yml}
    inputs:
      d: ${{parent.inputs.d}}
      n: ${{parent.inputs.n}}
      remote: {type: uri_file, path: "s3://b/k"}
"""
    job = stamp.load()
    elsewhere = tmp_path / "runs" / "one"
    elsewhere.mkdir(parents=True)
    text = job.to_yaml(values={"n": 7, "d": stamp.path / "code"}, absolute_paths=True)
    (elsewhere / "job.yml").write_text(text)
    again = resolve(load_pipeline(elsewhere / "job.yml"))
    for name, step in resolve(job, {"n": 7, "d": str(stamp.path / "code")}).steps.items():
        for key, value in step.inputs.items():
            other = again.steps[name].inputs[key]
            if isinstance(value, Data) and isinstance(other, Data):
                assert other.location == value.location
            else:
                assert other == value
        assert again.steps[name].code == step.code


@pytest.mark.parametrize("path", ["./out/${{name}}/r", "${{ name }}/r", "${{output_name}}/r"])
def test_output_paths_with_expressions_can_be_read_from_elsewhere(
    folder: Folder, path: str
) -> None:
    folder.replace("rows: {type: uri_file}", f"rows: {{type: uri_file, path: '{path}'}}")
    folder.replace("report: {type: uri_folder}", f"report: 'of/{path}'")
    job = folder.load()
    folder.add("runs/one/job.yml", job.to_yaml(absolute_paths=True))
    again = resolve(load_pipeline(folder.path / "runs/one/job.yml"))
    for name, step in resolve(job).steps.items():
        assert again.steps[name].outputs == step.outputs
        assert all(
            each.location is None or each.location.startswith(str(folder.path))
            for each in step.outputs.values()
        )


def test_text_as_a_commands_output_is_its_path(folder: Folder) -> None:
    folder.replace("report: {type: uri_folder}", "report: ./reports")
    outputs = resolve(folder.load()).steps["second"].outputs
    assert outputs["report"] == OutputSpec("uri_folder", f"{folder.path}/reports")
    folder.replace("report: ./reports", "report: ${{parent.inputs.label}}")
    assert folder.problems()[0].key == "jobs.second.outputs.report"


def test_a_component_takes_no_expressions_in_its_settings(stamp: Folder) -> None:
    stamp.text += "inputs: {n: 3}\n"
    stamp.add("parts/stamp.yml", COMPONENT.replace('"4"', "${{parent.inputs.n}}"))
    assert stamp.problem().key == "jobs.stamp.component.mini_batch_size"


def test_the_program_argument_wins_over_the_steps_error_threshold(folder: Folder) -> None:
    folder.replace('mini_batch_size: "5"', "error_threshold: 7")
    assert parallel(folder).error_threshold == 7
    folder.replace("--label ${{inputs.label}}", "--error_threshold=9")
    assert parallel(folder).error_threshold == 9
    folder.replace("error_threshold: 7", "error_threshold: ${{parent.inputs.typo}}")
    assert folder.problem().key == "jobs.first.error_threshold"


@pytest.mark.parametrize(
    ("size", "written"), [("10kb", "10kb"), ("2GB", "2gb"), ("7", "7"), ("30  Rows", "30 rows")]
)
def test_a_size_keeps_its_unit_in_the_yaml_of_a_run(
    folder: Folder, size: str, written: str
) -> None:
    job = folder.replace('mini_batch_size: "5"', f'mini_batch_size: "{size}"').load()
    assert yaml.safe_load(job.to_yaml())["jobs"]["first"]["mini_batch_size"] == written


def test_what_neither_step_nor_component_says_is_missing_from_the_step(stamp: Folder) -> None:
    stamp.add("parts/stamp.yml", COMPONENT.replace("input_data: ${{inputs.files}}\n", ""))
    problem = stamp.problem()
    assert problem.key == "jobs.stamp.input_data"
    assert problem.file == str(stamp.path / "pipeline.yml")


def test_variables_that_name_what_prefect_keeps_are_set_apart(folder: Folder) -> None:
    folder.text += """\
    environment_variables:
      A: "{{ prefect.blocks.secret.my-token }}"
      B: "x-{{prefect.variables.y}}-{{ other }}"
      C: "{{ other }}"
      D: ${{parent.inputs.label}}
"""
    folder.replace("label: red", 'label: "{{ prefect.variables.z }}"')
    second = resolve(folder.load()).steps["second"]
    assert second.environment_templates == {
        "A": "{{ prefect.blocks.secret.my-token }}",
        "B": "x-{{prefect.variables.y}}-{{ other }}",
    }
    # What comes by an input is a value, whatever it looks like.
    assert second.environment_variables == {"C": "{{ other }}", "D": "{{ prefect.variables.z }}"}


def test_variables_that_name_inputs_and_outputs_of_the_step(folder: Folder) -> None:
    folder.text += """\
    environment_variables:
      A: ${{inputs.rows}}
      B: "${{inputs.rows}}, to ${{outputs.report}}"
      C: ${{parent.inputs.label}}
"""
    second = resolve(folder.load()).steps["second"]
    assert isinstance(second, CommandStep)
    assert second.variables({"inputs.rows": "/rows", "outputs.report": "/report"}) == {
        "A": "/rows",
        "B": "/rows, to /report",
        "C": "red",
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("${{inputs.none}}", "${{inputs.none}}: the step has no input none"),
        ("a ${{parent.inputs.label}}", "${{parent.inputs.label}} is not allowed here"),
        ("a ${{inputs.x", "unclosed expression: ${{inputs.x"),
        (
            "${{inputs.rows}} {{ prefect.variables.x }}",
            "found an expression next to a placeholder",
        ),
    ],
)
def test_variables_with_expressions_that_name_nothing(
    folder: Folder, text: str, found: str
) -> None:
    folder.text += f"    environment_variables: {{A: {json.dumps(text)}}}\n"
    problem = folder.problem()
    assert problem.key == "jobs.second.environment_variables.A"
    assert problem.message == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a {{ prefect.variable.x }}", "prefect.variable.x"),
        ("{{ prefect.blocks.secret }}", "prefect.blocks.secret"),
        ("{{ prefect.variables.my region }}", "prefect.variables.my region"),
        ("{{prefect.variables.}}", "prefect.variables."),
        ("{{ prefect.variables." + " " * 100_000, None),
    ],
)
def test_what_names_nothing_that_prefect_keeps(
    folder: Folder, text: str, found: str | None
) -> None:
    folder.text += f"    environment_variables: {{A: {json.dumps(text)}}}\n"
    if found is None:
        assert resolve(folder.load()).steps["second"].environment_templates == {}
        return
    problem = folder.problem()
    assert problem.key == "jobs.second.environment_variables.A"
    assert problem.message == f"found {{{{ {found} }}}}"
    assert problem.allowed == "{{ prefect.blocks.TYPE.NAME }}, or {{ prefect.variables.NAME }}"


def test_no_variable_can_hold_a_nul(folder: Folder) -> None:
    folder.text += '    environment_variables: {A: "a\\0b"}\n'
    assert folder.problem().key == "jobs.second.environment_variables.A"


def test_partition_keys_may_be_inputs_of_the_pipeline(folder: Folder) -> None:
    keys = 'partition_keys: ["${{parent.inputs.label}}", brand]'
    folder.replace('mini_batch_size: "5"', keys)
    assert parallel(folder).partition_keys == ("red", "brand")
    (step, _) = resolve(folder.load(), {"label": "store"}).steps.values()
    assert isinstance(step, ParallelStep)
    assert step.partition_keys == ("store", "brand")
    problem = folder.problem("inputs.label=brand")
    assert (problem.key, problem.message) == (
        "jobs.first.partition_keys",
        "found an empty or repeated key",
    )
    folder.replace('["${{parent.inputs.label}}"', '["${{parent.inputs.stock}}"')
    assert "input stock is data" in folder.problem().message


def test_the_name_of_the_run_in_inputs(folder: Folder) -> None:
    folder.replace("label: red", "label: of ${{ name }}")
    assert resolve(folder.load(), run="monday").steps["first"].inputs["label"] == Literal(
        "of monday", "string"
    )
    assert resolve(folder.load(), {"label": "${{name}}"}, run="x").steps["first"].inputs[
        "label"
    ] == Literal("x", "string")
    # Before there is a run, it stays.
    assert resolve(folder.load()).steps["first"].inputs["label"] == Literal(
        "of ${{ name }}", "string"
    )
    folder.replace("${{ name }}", "${{ default_datastore }}")
    assert "an expression is not allowed" in folder.problem().message


def test_one_step_is_bound_to_each_output_of_a_pipeline(folder: Folder) -> None:
    folder.replace("jobs:", "outputs: {a: {path: /somewhere}, b: {}}\njobs:")
    for old, name in (("rows: {type: uri_file}", "a"), ("report: {type: uri_folder}", "b")):
        folder.replace(old, old.partition(":")[0] + f": ${{{{parent.outputs.{name}}}}}")
    assert resolve(folder.load()).warnings == ()
    folder.replace("${{parent.outputs.b}}", "${{parent.outputs.a}}")
    problem = folder.problem()
    assert (problem.key, problem.line) == ("jobs.second.outputs.report", folder.line_of("report: "))
    assert problem.message == "jobs.first.outputs.rows is bound to the same output: a"
    folder.replace("report: ${{parent.outputs.a}}", "report: {type: uri_folder}")
    (warning,) = resolve(folder.load()).warnings
    assert (warning.key, warning.line) == ("outputs.b", folder.line_of("outputs: {a"))
    assert warning.message == "no step is bound to this output, so nothing is written to it"
    # The same within a nested pipeline.
    inner = "command: 'true', environment: azureml:any:1, outputs: {x: '${{parent.outputs.y}}'}"
    steps = f"{{a: {{{inner}}}, b: {{{inner}}}}}"
    folder.text += f"  third: {{type: pipeline, outputs: {{y: {{}}, z: {{}}}}, jobs: {steps}}}\n"
    assert folder.problem().key == "jobs.third.jobs.b.outputs.x"
    folder.text = folder.text.replace(f", b: {{{inner}}}", "")
    assert "jobs.third.outputs.z" in {each.key for each in resolve(folder.load()).warnings}


def test_imports_that_need_azure_are_named(folder: Folder) -> None:
    folder.add("code/entry.py", """\
        import azureml_user, mltablex
        from azureml_user.parallel_run import EntryScript
        def run(mini_batch):
            import pandas, mltable as table
            from azureml.core import Run
            from azureml.core.model import Model
            from azureml import core
            from azure.ai.ml import MLClient
            from . import mltable
            return mini_batch
    """)  # fmt: skip
    warnings = resolve(folder.load()).warnings
    assert [(each.message, each.line) for each in warnings] == [
        ("imports mltable, which is made for Azure ML", 4),
        ("imports azureml.core, which is made for Azure ML", 5),
        ("imports azure.ai.ml, which is made for Azure ML", 8),
    ]
    assert all(str(each.file).endswith("code/entry.py") and each.hint for each in warnings)
    assert "load_table" in str(warnings[0].hint)


def test_the_compute_of_a_pipeline_may_be_an_input(folder: Folder) -> None:
    folder.text = folder.text.replace(
        "inputs:\n", "compute: ${{parent.inputs.pool}}\ninputs:\n  pool: azureml:small\n", 1
    )
    folder.text += """\
  nested:
    type: pipeline
    compute: ${{parent.inputs.label}}
    jobs:
      inner: {command: ls, environment: azureml:any:1}
"""
    steps = resolve(folder.load(), {"label": "azureml:large"}).steps
    computes = {name: step.compute for name, step in steps.items()}
    assert computes == {"first": "small", "second": "small", "nested.inner": "large"}


def test_the_run_has_its_name_in_the_prefix_of_metrics(folder: Folder) -> None:
    folder.replace("--label", "--metrics_name_prefix ${{name}} --label")
    step = resolve(folder.load(), run="monday").steps["first"]
    assert isinstance(step, ParallelStep)
    assert step.metrics_name_prefix == "monday"
