"""A new setting needs its declaration, and the place that uses it; nothing else."""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import prefect_parallel
from prefect_parallel.job.builder import parallel_run_function
from prefect_parallel.job.settings.parallel_settings import SETTINGS

from .conftest import Folder

DECLARATION = """\
    warm_up_runs: int = setting(
        "Runs before the first mini-batch.",
        default=3,
        key=IntegerValidator(0, 9),
        argument=IntegerValidator(0, 9, bindable=False),
    )
"""

USE = """
import json, sys
from prefect_parallel import Input, RunFunction, parallel_run_function, pipeline
from prefect_parallel.errors import InvalidPipeline
from prefect_parallel.job import load_pipeline, resolve
from prefect_parallel.job import PipelineJob
from prefect_parallel.job.format.json_schema import json_schema
from tools.reference import arguments, pipeline as reference

def problems(*overrides):
    try:
        load_pipeline("pipeline.yml", overrides)
    except InvalidPipeline as error:
        return [[problem.key, problem.allowed, problem.line] for problem in error.problems]

def used(*overrides):
    step = resolve(load_pipeline("pipeline.yml", overrides)).steps["first"]
    return [step.warm_up_runs, step.origins["warm_up_runs"], step.settings["warm_up_runs"]]

def built(value):
    @pipeline
    def flow():
        step = parallel_run_function(
            inputs={"files": Input(path="data")},
            input_data="${{inputs.files}}",
            task=RunFunction(code="code", entry_script="entry.py", environment="azureml:any:1"),
        )
        step.warm_up_runs = value
    return flow()

def refused(value):
    try:
        built(value)
    except InvalidPipeline as error:
        return [[problem.key, problem.allowed] for problem in error.problems]

def row(page):
    return [line for line in page.splitlines() if "warm_up_runs" in line and "| " in line][0]

argument = "jobs.first.task.program_arguments=--warm_up_runs"
schemas = json_schema(PipelineJob, "pipelines")["$defs"]
print(json.dumps({
    "default": used(),
    "override": used("jobs.first.warm_up_runs=5"),
    "bound": used("jobs.first.warm_up_runs=${{parent.inputs.rows}}"),
    "argument": used("jobs.first.warm_up_runs=5", f"{argument} 7"),
    "wrong": problems("jobs.first.warm_up_runs=10"),
    "wrong argument": problems(f"{argument} 10"),
    "builder": resolve(built(2)).steps["step"].warm_up_runs,
    "wrong in builder": refused(10),
    "schema": schemas["ParallelStepModel"]["properties"]["warm_up_runs"],
    "reference": row(reference.page()),
    "arguments": row(arguments.page()),
}))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a copy of the package, with one more declaration, makes of the setting."""
    source = Path(prefect_parallel.__file__).parent
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(source, home / "prefect_parallel")
    shutil.copytree(source.parent / "tools", home / "tools")
    file = home / "prefect_parallel" / "job" / "settings" / "parallel_settings.py"
    first = "    mini_batch_size: int | None = setting("
    text = file.read_text()
    assert first in text
    file.write_text(text.replace(first, DECLARATION + first))
    folder = Folder(tmp_path_factory.mktemp("pipeline"))
    (folder.path / "pipeline.yml").write_text(folder.text)
    made = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=folder.path,
        env={"PYTHONPATH": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    found: dict[str, object] = json.loads(made.stdout)
    return found


KEY, RANGE = "jobs.first.warm_up_runs", "a whole number from 0 to 9"


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("default", [3, "default", 3]),
        ("override", [5, "override", 5]),
        ("bound", [3, "override", 3]),
        ("argument", [7, "program argument", 7]),
        ("wrong", [[KEY, RANGE, None]]),
        ("wrong argument", [["jobs.first.task.program_arguments", RANGE, None]]),
        ("builder", 2),
        ("wrong in builder", [["jobs.step.warm_up_runs", RANGE]]),
        (
            "reference",
            f"| `warm_up_runs` | {RANGE}, or an expression | `3` | Runs before the first"
            " mini-batch. |",
        ),
        ("arguments", f"| `--warm_up_runs` | {RANGE} | `3` | Runs before the first mini-batch. |"),
    ],
)
def test_it_is_everywhere(seen: dict[str, object], what: str, expected: object) -> None:
    assert seen[what] == expected


def test_it_is_in_the_schema(seen: dict[str, dict[str, object]]) -> None:
    schema = seen["schema"]
    assert schema["default"] == 3
    assert schema["description"] == "Runs before the first mini-batch."
    assert {"type": "integer", "minimum": 0, "maximum": 9} in schema["anyOf"]  # type: ignore[operator]


def test_the_builder_has_a_parameter_for_each_setting_with_a_key() -> None:
    parameters = inspect.signature(parallel_run_function).parameters
    keys = [setting for setting in SETTINGS.values() if setting.key is not None]
    assert [
        setting.name
        for setting in keys
        if setting.name not in parameters and setting.group not in parameters
    ] == []
