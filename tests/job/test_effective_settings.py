"""Which of step, component, program argument and default counts, and what is shown of it."""

from __future__ import annotations

import pytest

from prefect_parallel.cli.plan import plan_pipeline
from prefect_parallel.flow.run_options import RunOptions
from prefect_parallel.job import ParallelStep, resolve

from .conftest import SCRIPT, Folder

COMPONENT = """\
type: parallel
inputs:
  files: {type: uri_folder}
outputs:
  rows: {type: uri_file}
input_data: ${{inputs.files}}
mini_batch_size: "4"
partition_keys: [store]
mini_batch_error_threshold: 6
error_threshold: 7
max_concurrency_per_instance: 3
retry_settings: {max_retries: 5}
resources: {instance_count: 2}
task:
  type: run_function
  code: ./src
  entry_script: entry.py
  environment: azureml:any:1
  append_row_to: ${{outputs.rows}}
"""

OWN_TASK = (
    "task: {type: run_function, code: ./code, entry_script: entry.py, environment: azureml:any:1}"
)


@pytest.fixture
def parts(folder: Folder) -> Folder:
    """A pipeline of one step by a component that gives each setting."""
    folder.add("parts/part.yml", COMPONENT)
    folder.add("parts/src/entry.py", SCRIPT)
    folder.text = """\
type: pipeline
jobs:
  part:
    type: parallel
    component: ./parts/part.yml
    inputs:
      files: {type: uri_folder, path: ./data}
"""
    return folder


def step_of(folder: Folder, *overrides: str) -> ParallelStep:
    (step,) = resolve(folder.load(*overrides)).steps.values()
    assert isinstance(step, ParallelStep)
    return step


@pytest.mark.parametrize(
    ("line", "name", "value", "origin"),
    [
        # Retry settings are replaced as a whole, unless they are empty.
        ("retry_settings: {timeout: 30}", "timeout", 30, "YAML"),
        ("retry_settings: {timeout: 30}", "max_retries", 2, "default"),
        ("retry_settings: {}", "max_retries", 5, "component"),
        ("retry_settings: {}", "timeout", 60, "default"),
        # Resources are replaced as a whole, even by nothing.
        ("resources: {}", "instance_count", 1, "default"),
        ("resources: {instance_count: 4}", "instance_count", 4, "YAML"),
        ("instance_count: 5", "instance_count", 5, "YAML"),
        ("instance_count: 5\n    resources: {}", "instance_count", 5, "YAML"),
        # Of these, what is zero or empty means "as in the component".
        ("partition_keys: []", "partition_keys", ("store",), "component"),
        ("mini_batch_error_threshold: 0", "mini_batch_error_threshold", 6, "component"),
        ("mini_batch_size: '0'", "mini_batch_size", 4, "component"),
        # Of these, zero is a value.
        ("error_threshold: 0", "error_threshold", 0, "YAML"),
        # A task is replaced as a whole.
        (OWN_TASK, "append_row_to", None, "default"),
        (OWN_TASK, "entry_script", "entry.py", "YAML"),
        ("compute: local", "append_row_to", "rows", "component"),
        ("compute: local", "logging_level", "INFO", "default"),
        ("compute: local", "max_concurrency_per_instance", 3, "component"),
    ],
)  # fmt: skip
def test_the_settings_shown_are_those_that_run(
    parts: Folder, line: str, name: str, value: object, origin: str
) -> None:
    parts.text += f"    {line}\n"
    step = step_of(parts)
    run = getattr(step, name)
    if name == "append_row_to" and run is not None:
        run = run.output
    assert run == value
    assert step.settings[name] == getattr(step, name)
    assert step.origins[name] == origin


@pytest.mark.parametrize(
    ("override", "name", "origin"),
    [
        ("jobs.part.retry_settings.timeout=30", "timeout", "override"),
        ("jobs.part.retry_settings.timeout=30", "max_retries", "default"),
        ("jobs.part.retry_settings={timeout: 30}", "timeout", "override"),
        ("jobs.part.retry_settings={timeout: 30}", "max_retries", "default"),
        ("jobs.part.instance_count=3", "instance_count", "override"),
        ("jobs.part.partition_keys=[]", "partition_keys", "component"),
        ("jobs.part.mini_batch_error_threshold=0", "mini_batch_error_threshold", "component"),
        ("jobs.part.error_threshold=0", "error_threshold", "override"),
        ("jobs.part.display_name=x", "error_threshold", "component"),
    ],
)
def test_what_was_set_on_the_command_line(
    parts: Folder, override: str, name: str, origin: str
) -> None:
    assert step_of(parts, override).origins[name] == origin


def test_zero_and_empty_count_where_there_is_no_component(folder: Folder) -> None:
    folder.text = folder.text.partition("  second:")[0]
    folder.replace(
        "    mini_batch_size:", "    mini_batch_error_threshold: 0\n    mini_batch_size:"
    )
    folder.replace("    mini_batch_size:", "    partition_keys: []\n    mini_batch_size:")
    step = step_of(folder)
    assert (step.mini_batch_error_threshold, step.partition_keys) == (0, ())
    assert step.origins["mini_batch_error_threshold"] == "YAML"
    assert step.origins["partition_keys"] == "YAML"


@pytest.mark.parametrize(
    ("written", "value", "origin"),
    [
        ("--error_threshold 9", 9, "program argument"),
        ("--error_threshold -1", -1, "program argument"),
        ("--other 9", 7, "component"),
    ],
)
def test_a_program_argument_wins(parts: Folder, written: str, value: int, origin: str) -> None:
    parts.add("parts/part.yml", f"{COMPONENT}  program_arguments: {written}\n")
    step = step_of(parts)
    assert (step.error_threshold, step.origins["error_threshold"]) == (value, origin)
    assert step.settings["error_threshold"] == value


def test_the_plan_shows_what_runs(parts: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    parts.text += """\
    retry_settings: {timeout: 30}
    instance_count: 5
    mini_batch_error_threshold: 0
    partition_keys: []
"""
    parts.add("parts/part.yml", COMPONENT.replace("partition_keys: [store]\n", ""))
    parts.load()
    plan_pipeline(parts.path / "pipeline.yml", (), RunOptions(output_dir=parts.path / "runs"))
    shown = " ".join(capsys.readouterr().out.split())
    assert "slots 15: 5 nodes x 3" in shown
    assert "attempts up to 3 per mini-batch, 30 s each" in shown
    assert "thresholds fails with more than 6 failed mini-batches or 7 failed items" in shown


@pytest.mark.parametrize(
    ("line", "key", "file"),
    [
        ("task: {type: run_function, code: ./nowhere, entry_script: entry.py,"
         " environment: azureml:any:1}", "jobs.part.task.code", "pipeline.yml"),
        ("input_data: ${{inputs.flies}}", "jobs.part.input_data", "pipeline.yml"),
        ("input_data: ''", "jobs.part.component.task.entry_script", "parts/part.yml"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_where_the_effective_value_stands(
    parts: Folder, line: str, key: str, file: str
) -> None:
    parts.text += f"    {line}\n"
    if "component" in key:
        parts.add("parts/part.yml", COMPONENT.replace("entry.py", "none.py"))
    problem = parts.problem()
    assert (problem.key, problem.file) == (key, str(parts.path / file))
