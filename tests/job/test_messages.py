"""What people are told who made a mistake."""

from __future__ import annotations

import pytest

from prefect_parallel.job import resolve
from prefect_parallel.job.files.shadowed_modules import _imported_by_entry_processes

from .conftest import PIPELINE, Folder


def test_five_mistakes_are_five_messages(folder: Folder) -> None:
    folder.replace('mini_batch_size: "5"', 'mini_bach_size: "5"')
    folder.replace("path: ./data}", "path: ./dta}")
    folder.replace("entry_script: entry.py", "entry_script: entri.py")
    folder.replace("    type: command", "    type: command\n    limits: {timeout: 0}")
    folder.replace("${{parent.jobs.first.outputs.rows}}", "${{parent.jobs.frist.outputs.rows}}")
    told = [
        (problem.line, problem.key, problem.hint or problem.allowed)
        for problem in folder.problems()
    ]
    assert told == [
        (
            folder.line_of("path: ./dta"),
            "jobs.first.inputs.files.path",
            f"{folder.path} contains: code, data, pipeline.yml",
        ),
        (
            folder.line_of("mini_bach_size"),
            "jobs.first.mini_bach_size",
            "did you mean mini_batch_size?",
        ),
        (
            folder.line_of("entri.py"),
            "jobs.first.task.entry_script",
            "did you mean entry.py?",
        ),
        (
            folder.line_of("timeout: 0"),
            "jobs.second.limits.timeout",
            "a whole number of seconds from 1 to 259200",
        ),
        (
            folder.line_of("frist"),
            "jobs.second.inputs.rows",
            "did you mean first?",
        ),
    ]


def test_the_text_of_a_message(folder: Folder) -> None:
    folder.replace('mini_batch_size: "5"', "mini_batch_size: 5")
    file = folder.path / "pipeline.yml"
    line = folder.line_of("mini_batch_size")
    assert str(folder.problem()) == (
        f"{file}:{line}:22: jobs.first.mini_batch_size: found the number 5\n"
        '    allowed: a string, e.g. "10" files, "10kb" (also mb, gb) or "1000 rows"\n'
        '    hint: quote it: "5"'
    )


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("type: pipeline", "type: Pipeline", "type"),
        ("type: pipeline\n", "", "type"),
        ("  second:", "  ../x:", "jobs.../x"),
        ("  second:", "  größe:", "jobs.größe"),
        ("    type: command", "    type: sweep", "jobs.second.type"),
        ("    type: command", "    type: 5", "jobs.second.type"),
        ("files: {type: uri_folder", "fi-les: {type: uri_folder", "jobs.first.inputs.fi-les"),
        ("outputs:\n      rows:", "outputs:\n      ../rows:", "jobs.first.outputs.../rows"),
        ("entry_script: entry.py", "entry_script: ../entry.py", "jobs.first.task.entry_script"),
        ("entry_script: entry.py", "entry_script: /etc/passwd", "jobs.first.task.entry_script"),
        ("code: ./code", "code: ./cod", "jobs.first.task.code"),
        ("code: ./code", "code: ./code/entry.txt", "jobs.first.task.code"),
        ("      code: ./code\n", "", "jobs.first.task.code"),
        ("      entry_script: entry.py\n", "", "jobs.first.task.entry_script"),
        ("${{inputs.files}}\n", "${{inputs.label}}\n", "jobs.first.input_data"),
        ("${{inputs.files}}\n", "files\n", "jobs.first.input_data"),
        ("    input_data: ${{inputs.files}}\n", "", "jobs.first.input_data"),
        ("to: ${{outputs.rows}}", "to: ${{outputs.rows}}/x", "jobs.first.task.append_row_to"),
        ("to: ${{outputs.rows}}", "to: $${{outputs.rows}}", "jobs.first.task.append_row_to"),
        ("type: pipeline", "type: pipeline\ncompute: ${{parent.inputs.pool}}", "compute"),
        ("type: pipeline", "type: pipeline\ncompute: azureml:${{parent.inputs.label}}", "compute"),
        (
            "    type: command",
            "    type: command\n    compute: azureml:${{parent.inputs.label}}",
            "jobs.second.compute",
        ),
        (
            "    type: command",
            "    type: command\n    resources: {shm_size: '${{parent.inputs.label}}'}",
            "jobs.second.resources.shm_size",
        ),
        (
            "    type: command",
            "    type: command\n    resources: {docker_args: [-v, '${{parent.inputs.label}}']}",
            "jobs.second.resources.docker_args",
        ),
        (
            "environment: azureml:any:1\n      program",
            "environment: {image: '${{parent.inputs.label}}'}\n      program",
            "jobs.first.task.environment.image",
        ),
        (
            "files: {type: uri_folder, path: ./data",
            "files: {path: ''",
            "jobs.first.inputs.files.path",
        ),
        ("stock: {type: uri_folder, path: ./data", "stock: {path: ''", "inputs.stock"),
        ("to: ${{outputs.rows}}", "to: rows.csv", "jobs.first.task.append_row_to"),
        ("to: ${{outputs.rows}}", "to: ${{inputs.files}}", "jobs.first.task.append_row_to"),
        ("--label ${{inputs.label}}", "--x 'a", "jobs.first.task.program_arguments"),
        ("--label ${{inputs.label}}", "${{inputs.lable}}", "jobs.first.task.program_arguments"),
        ("--label ${{inputs.label}}", "${{output_name}}", "jobs.first.task.program_arguments"),
        ("--label ${{inputs.label}}", "${{inputs.label", "jobs.first.task.program_arguments"),
        (
            "--label ${{inputs.label}}",
            "${{parent.inputs.label}}",
            "jobs.first.task.program_arguments",
        ),
        ("cp ${{inputs.rows}}", "cp ${{search_space.x}}", "jobs.second.command"),
        ("cp ${{inputs.rows}}", "echo $((${{inputs.rows}}))", "jobs.second.command"),
        ("parent.inputs.label", "parent.inputs.lable", "jobs.first.inputs.label"),
        ("parent.inputs.label", "inputs.label", "jobs.first.inputs.label"),
        ("${{parent.inputs.label}}", "x ${{parent.inputs.stock}}", "jobs.first.inputs.label"),
        ("${{parent.inputs.label}}", "x ${{nothing}}", "jobs.first.inputs.label"),
        ("first.outputs.rows", "first.outputs.row", "jobs.second.inputs.rows"),
        ("first.outputs.rows", "first.inputs.nothing", "jobs.second.inputs.rows"),
        ("first.outputs.rows", "second.inputs.rows", "jobs.second.inputs.rows"),
        ("label: red", "label: ${{parent.inputs.deep}}", "inputs.label"),
        ("label: red", "label:", "inputs.label"),
        ('size: "5"', 'size: ["5"]', "jobs.first.mini_batch_size"),
        ('size: "5"', f'size: "{"5" * 5000}"', "jobs.first.mini_batch_size"),
        ('size: "5"', f'size: "5"\n    error_threshold: "{"5" * 5000}"', "jobs.first.error_thr"),
        ("--label ${{inputs.label}}", f"--error_threshold {'5' * 5000}", "jobs.first.task.program"),
        ('mini_batch_size: "5"', "partition_keys: [a, a]", "jobs.first.partition_keys"),
        ('mini_batch_size: "5"', "resources: {instance_count: 0}", "jobs.first.resources.inst"),
        ('mini_batch_size: "5"', "environment_variables: {A: 1}", "jobs.first.environment_var"),
        ('mini_batch_size: "5"', "logging_level: WARN", "jobs.first.logging_level"),
        ('mini_batch_size: "5"', "compute: ${{inputs.files}}", "jobs.first.compute"),
    ],
)
def test_one_mistake_is_one_message(folder: Folder, old: str, new: str, key: str) -> None:
    folder.replace(old, new)
    problem = folder.problem()
    assert (problem.key or "").startswith(key)
    assert problem.line


def test_mini_batches_of_a_key_are_not_split(folder: Folder) -> None:
    folder.replace('mini_batch_size: "5"', "partition_keys: [a]")
    folder.replace("--label ${{inputs.label}}", "--isolate_failed_items True")
    problem = folder.problem()
    assert problem.message.startswith("found True with partition_keys")
    assert (problem.key, problem.allowed) == ("jobs.first.isolate_failed_items", "False")


def test_a_cycle_is_shown_as_a_path(folder: Folder) -> None:
    folder.replace(
        "files: {type: uri_folder, path: ./data}", "files: ${{parent.jobs.second.outputs.report}}"
    )
    assert folder.problem().message.endswith("first -> second -> first")


def test_a_longer_cycle_is_shown_in_the_direction_of_the_data(folder: Folder) -> None:
    folder.text = "type: pipeline\njobs:\n" + "".join(
        f"""\
  {name}:
    command: ls
    environment: azureml:any:1
    inputs: {{x: "${{{{parent.jobs.{source}.outputs.y}}}}"}}
    outputs: {{y: }}
"""
        for name, source in (("a", "c"), ("b", "a"), ("c", "b"))
    )
    path = folder.problem().message.rpartition(": ")[2]
    assert path in ("a -> b -> c -> a", "b -> c -> a -> b", "c -> a -> b -> c")


def test_a_step_that_waits_for_itself(folder: Folder) -> None:
    folder.replace("parent.jobs.first.outputs.rows", "parent.jobs.second.outputs.report")
    assert folder.problem().message.endswith("second -> second")


def test_a_script_is_looked_at_but_not_run(folder: Folder) -> None:
    folder.add("code/entry.py", "raise SystemExit\ndef Init(): ...\nrun = lambda x: x\n")
    folder.load()
    folder.add("code/entry.py", "from base import *\n")
    folder.load()
    folder.add("code/entry.py", "try:\n    from base import init, run\nexcept ImportError: pass\n")
    folder.load()
    folder.add("code/entry.py", "class A:\n    def run(self): ...\n    def init(self): ...\n")
    assert folder.problem().message == "the entry script has no function run"
    folder.add("code/entry.py", "def init(): ...\ndef run(x):\n    return (\n")
    problem = folder.problem()
    assert problem.file == str(folder.path / "code" / "entry.py")
    assert problem.line == 3
    assert "syntax error" in problem.message


def test_modules_that_hide_those_of_python_or_a_package(folder: Folder) -> None:
    folder.add("code/statistics_of_sales.py", "")
    # Nothing that an entry process imports.
    folder.add("code/turtle.py", "")
    folder.add("code/__main__.py", "")
    folder.load()
    folder.add("code/json.py", "")
    folder.add("code/pandas/__init__.py", "")
    first, second = folder.problems()
    assert (first.file, first.message) == (
        str(folder.path / "code" / "json.py"),
        "hides Python's module json, which entry processes import",
    )
    assert second.message == "hides the package pandas, which entry processes import"


def test_modules_that_hide_those_of_python_where_a_package_cannot_be_imported(
    folder: Folder, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path_factory.mktemp("broken")
    (broken / "pyarrow.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    _imported_by_entry_processes.cache_clear()
    folder.add("code/json.py", "")
    assert folder.problem().message == "hides Python's module json, which entry processes import"
    _imported_by_entry_processes.cache_clear()


def test_code_that_is_one_file(folder: Folder) -> None:
    folder.replace("code: ./code", "code: ./code/entry.py")
    assert resolve(folder.load())
    folder.replace("entry_script: entry.py", "entry_script: other.py")
    assert folder.problem().key == "jobs.first.task.entry_script"


def test_a_job_without_mistakes(folder: Folder) -> None:
    assert resolve(folder.load()).display_name == "pipeline"
    assert folder.text == PIPELINE
    folder.replace("type: pipeline", "type: pipeline\nname: of_azure")
    named = folder.load()
    assert (named.ignored, resolve(named).display_name) == (["name"], "pipeline")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("files: {type: uri_folder, path: ./data}", "files:"),
        ("files: {type: uri_folder, path: ./data}", "files: {type: uri_fodler, path: ./nowhere}"),
        ("rows: {type: uri_file}", "rows: {type: file}"),
        ("rows: {type: uri_file}", "rows: {type: uri_file, name: a b, version: 1}"),
        ("      environment: azureml:any:1\n", "      environment:\n"),
        ("    command: cp", "    comand: cp"),
    ],
)
def test_what_follows_from_a_mistake_is_not_told(folder: Folder, old: str, new: str) -> None:
    folder.replace(old, new)
    keys = {problem.key for problem in folder.problems()}
    assert len(keys) == (2 if "comand" in new else 1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("allowed_failed_count", "mini_batch_error_threshold"),
        ("run_invocation_timeout", "retry_settings.timeout"),
        ("node_count", "resources.instance_count"),
    ],
)
def test_a_name_of_the_older_sdk_is_known(folder: Folder, old: str, new: str) -> None:
    folder.replace('mini_batch_size: "5"', f"{old}: 5")
    problem = folder.problem()
    assert (problem.message, problem.hint) == ("unknown key", f"it is called {new} now")


@pytest.mark.parametrize("argument", ["--allowed_failed_count 3", "--allowed_failed_count=3"])
def test_a_name_of_the_older_sdk_as_an_argument_is_a_warning(folder: Folder, argument: str) -> None:
    folder.replace("--label ${{inputs.label}}", argument)
    (warning,) = resolve(folder.load()).warnings
    assert warning.key == "jobs.first.task.program_arguments"
    assert "--allowed_failed_count has no effect here" in warning.message
    assert warning.hint == "set the key mini_batch_error_threshold"


def test_arguments_of_the_script_s_own_are_no_warning(folder: Folder) -> None:
    words = "--allowed_failed_percent 3 --count node_count -- --allowed_failed_count 3"
    folder.replace("--label ${{inputs.label}}", words)
    assert resolve(folder.load()).warnings == ()
