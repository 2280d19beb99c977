"""Invalid pipelines: a clear message, exit status 2, and nothing is run."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import COMMAND, Pipeline

GOOD = "def init(): pass\ndef run(mini_batch): return mini_batch"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (
            "jobs.step.retry_settings.timeout",
            0,
            ["pipeline.yml:22:16", "retry_settings.timeout", "allowed: "],
        ),
        ("jobs.step.mini_batch_sizes", "1", ["unknown key", "did you mean mini_batch_size?"]),
        ("jobs.step.task.entry_script", "scirpt.py", ["scirpt.py", "script.py"]),
        ("jobs.step.task", None, ["jobs.step", "task"]),
        ("jobs.step.task.code", "./nowhere", ["task.code", "nowhere"]),
        ("jobs.step.inputs.files.path", "./nowhere", ["inputs.files", "nowhere"]),
        ("jobs.step.input_data", "${{inputs.other}}", ["input_data", "other"]),
    ],
)
def test_mistakes_in_the_file(pipeline: Any, path: str, value: object, said: list[str]) -> None:
    it: Pipeline = pipeline(GOOD)
    it.change(path, value)
    output = it.run(expect=2)
    assert all(part in output for part in said), output
    assert "Traceback" not in output
    assert not (it.folder / "runs").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("type: pipeline\njobs: {a: [", "pipeline.yml:3:1: invalid YAML"),
        ("type: pipeline\n\tjobs: {}", "tab"),
        ("", "empty"),
        ("type: pipeline\njobs: !!python/object/apply:os.system ['touch x']", "!!python"),
    ],
)
def test_a_file_that_is_no_yaml_of_a_pipeline(pipeline: Any, text: str, said: str) -> None:
    it: Pipeline = pipeline(GOOD)
    it.file.write_text(text)
    assert said in it.run(expect=2)
    assert not (it.folder / "x").exists()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("def init(): pass", "script.py"),
        ("def init(): pass\ndef run(mini_batch) return 1", "script.py:2"),
    ],
)
def test_a_script_that_cannot_be_one(pipeline: Any, script: str, said: str) -> None:
    it: Pipeline = pipeline(script)
    output = it.run(expect=2)
    assert said in output
    assert "Traceback" not in output


def test_an_empty_input(pipeline: Any) -> None:
    it: Pipeline = pipeline(GOOD, files=0)
    assert "the input is empty" in it.run(expect=2)


def test_a_file_that_is_not_there() -> None:
    ended = subprocess.run(
        [*COMMAND, "run", "-f", "no such.yml"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "no such.yml: no such file" in ended.stderr


def test_validate_names_all_mistakes_of_all_files(pipeline: Any) -> None:
    it: Pipeline = pipeline(GOOD, logging_level="debug", error_treshold=1)
    it.change("jobs.step.retry_settings.max_retries", -1)
    it.change("jobs.step.task.code", "./nowhere")
    it.change("jobs.step.inputs.files.type", "uri_foldr")
    ended = subprocess.run(
        [*COMMAND, "validate", str(it.file), "missing.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    for said in (
        "5 errors",
        "did you mean error_threshold?",
        "did you mean DEBUG?",
        "max_retries",
        "nowhere",
        "did you mean uri_folder?",
        "missing.yml: no such file",
    ):
        assert said in ended.stdout, ended.stdout


def test_plan_shows_the_split_and_runs_nothing(pipeline: Any) -> None:
    it: Pipeline = pipeline(GOOD, files=5, mini_batch_size="2", mini_batch_error_threshold=3)
    ended = subprocess.run(
        [*COMMAND, "plan", str(it.file), "--set", "jobs.step.resources.instance_count=3"],
        cwd=it.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [" ".join(line.split()) for line in ended.stdout.splitlines()]
    assert lines[0] == "1. step (parallel)"
    assert "mini-batches 3, by size" in lines
    assert "smallest 1, median 2, largest 2 files" in lines
    assert "slots 6: 3 nodes x 2" in lines
    assert "thresholds fails with more than 3 failed mini-batches" in lines
    assert not (it.folder / "runs").exists()


@pytest.fixture
def chain(pipeline: Any) -> Pipeline:
    """A step, a second one that reads its output, and a key without effect."""
    it: Pipeline = pipeline(GOOD, outputs={"out": {"type": "uri_folder"}})
    it.change("jobs.step.task.append_row_to", None)
    step = yaml.safe_load(it.file.read_text())["jobs"]["step"]
    files = {"files": {"path": "${{parent.jobs.step.outputs.out}}"}}
    it.change("jobs.after", {**step, "inputs": files})
    it.change("experiment_name", "x")
    return it


def said_by(it: Pipeline, command: str, *arguments: str) -> str:
    words = [*COMMAND, command, str(it.file), *arguments]
    ended = subprocess.run(words, cwd=it.folder, capture_output=True, text=True, check=False)
    assert "Traceback" not in ended.stderr
    return " ".join((ended.stdout + ended.stderr).split())


def test_plan_of_a_step_whose_input_is_made_by_another(chain: Pipeline) -> None:
    said = said_by(chain, "plan")
    assert "2. after (parallel, after step) input output out of step step" in said
    assert "mini-batches unknown until step has run" in said
    assert "ignored (no effect outside Azure ML): experiment_name" in said
    assert "ignored (no effect outside Azure ML): experiment_name" in said_by(chain, "validate")


@pytest.mark.parametrize(
    ("step", "mini_batch", "said"),
    [
        ("stop", "0", "has no parallel step stop allowed: step, after"),
        ("after", "0", "is an output of step hint: name a run that has produced it with --run"),
        ("step", "4", "no mini-batch 4 allowed: 0 to 3"),
    ],
)
def test_what_cannot_be_debugged(chain: Pipeline, step: str, mini_batch: str, said: str) -> None:
    assert said in said_by(chain, "debug", "--step", step, "--mini-batch", mini_batch, "--no-pdb")
