"""Pipelines written in Python."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from prefect_parallel.errors import InvalidPipeline
from prefect_parallel.job import CommandStep, Data, Literal, OutputOf, ParallelStep, Parameter
from prefect_parallel.job.builder import (
    Environment,
    Input,
    Output,
    RunFunction,
    command,
    parallel_run_function,
    pipeline,
)
from prefect_parallel.job.pipeline import PipelineJob

from .conftest import Folder

ANY = "azureml:any:1"


@pytest.fixture(autouse=True)
def here(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.chdir(folder.path)
    return folder


def make() -> PipelineJob:
    score = parallel_run_function(
        name="scoring",
        display_name="Score",
        inputs={
            "files": Input(type="uri_folder", description="What is scored"),
            "limit": Input(type="number", default=0.5),
            "note": Input(type="string", optional=True),
            "model": Input(type="uri_folder", path=Path("data"), mode="download"),
        },
        outputs={"rows": Output(type="uri_file", mode="rw_mount"), "rest": None},
        input_data="${{inputs.files}}",
        mini_batch_size="5",
        max_concurrency_per_instance=2,
        instance_count=3,
        retry_settings={"max_retries": 1, "timeout": 9},
        error_threshold=4,
        logging_level="DEBUG",
        environment_variables={"A": "b"},
        task=RunFunction(
            code="./code",
            entry_script="entry.py",
            environment=Environment(image="any/image"),
            program_arguments="--limit ${{inputs.limit}} $[[--note ${{inputs.note}}]]",
            append_row_to="${{outputs.rows}}",
        ),
    )
    report = command(
        inputs={"rows": Input(type="uri_file"), "depth": 1},
        outputs={"report": Output()},
        command="cp ${{inputs.rows}} ${{outputs.report}}/${{inputs.depth}}",
        environment=ANY,
        timeout=60,
    )

    @pipeline(display_name="Daily", tags={"a": "b"}, default_compute="cpu", force_rerun=True)
    def daily(files: object, depth: int = 2) -> dict[str, object]:
        """Score and report."""
        scores = score(files=files, limit=0.75)
        again = score(files=scores.outputs.rest)
        summary = report(rows=scores.outputs["rows"], depth=depth)
        summary.compute = "azureml:big"
        again.set_resources(instance_count=1)
        return {"summary": summary.outputs.report}

    return daily(files=Input(type="uri_folder", path="./data", description="Today's"))


def test_it_is_the_job_that_yaml_makes(here: Folder) -> None:
    here.text = """\
type: pipeline
display_name: Daily
description: Score and report.
tags: {a: b}
settings: {default_compute: azureml:cpu, force_rerun: true}
inputs:
  files: {type: uri_folder, path: ./data, description: Today's}
  depth: 2
outputs:
  summary: {type: uri_folder}
jobs:
  scores: &score
    type: parallel
    display_name: Score
    inputs:
      files: ${{parent.inputs.files}}
      limit: 0.75
      model: {type: uri_folder, path: data, mode: download}
    outputs:
      rows: {type: uri_file, mode: rw_mount}
      rest: {}
    input_data: ${{inputs.files}}
    mini_batch_size: "5"
    max_concurrency_per_instance: 2
    resources: {instance_count: 3}
    retry_settings: {max_retries: 1, timeout: 9}
    error_threshold: 4
    logging_level: DEBUG
    environment_variables: {A: b}
    task:
      type: run_function
      code: ./code
      entry_script: entry.py
      environment: {image: any/image}
      program_arguments: '--limit ${{inputs.limit}} '
      append_row_to: ${{outputs.rows}}
  again:
    <<: *score
    inputs:
      files: ${{parent.jobs.scores.outputs.rest}}
      limit: 0.5
      model: {type: uri_folder, path: data, mode: download}
    resources: {instance_count: 1}
  summary:
    type: command
    compute: azureml:big
    inputs:
      rows: ${{parent.jobs.scores.outputs.rows}}
      depth: ${{parent.inputs.depth}}
    outputs:
      report: ${{parent.outputs.summary}}
    command: cp ${{inputs.rows}} ${{outputs.report}}/${{inputs.depth}}
    environment: azureml:any:1
    limits: {timeout: 60}
"""
    job = make()
    assert job == here.load()
    assert list(job.jobs) == ["scores", "again", "summary"]
    here.text = job.to_yaml()
    assert here.load() == job


def test_it_resolves(here: Folder) -> None:
    job = make()
    assert job.path is None
    assert job.parameters == [
        Parameter("files", "uri_folder", "./data", "Today's"),
        Parameter("depth", "integer", 2),
    ]
    assert job.graph() == {"scores": set(), "again": {"scores"}, "summary": {"scores"}}
    steps = job.resolve({"depth": 5}).steps
    scores, again, summary = steps["scores"], steps["again"], steps["summary"]
    assert isinstance(scores, ParallelStep)
    assert isinstance(summary, CommandStep)
    assert scores.instance_count == 3
    assert scores.inputs["limit"] == Literal(0.75, "number")
    assert scores.arguments({}) == ["--limit", "0.75"]
    files = scores.inputs["files"]
    assert isinstance(files, Data)
    assert files.location == str(here.path / "data")
    assert again.inputs["files"] == OutputOf("scores", "rest", "uri_folder", "ro_mount")
    assert summary.compute == "big"
    assert summary.inputs["depth"] == Literal(5, "integer")


def test_names_of_steps_without_variables() -> None:
    step = command(command="true", environment=ANY, name="mine")

    @pipeline
    def two() -> None:
        step()
        step()
        command(command="true", environment=ANY)

    assert list(two().jobs) == ["mine", "mine_1", "command"]
    assert two().display_name == "two"


def test_retry_settings_may_be_an_object(here: Folder) -> None:
    @pipeline()
    def one() -> None:
        parallel_run_function(
            inputs={"files": Input(path="data")},
            input_data="${{inputs.files}}",
            retry_settings=SimpleNamespace(max_retries=0, timeout=None),
            task=RunFunction(code="code", entry_script="entry.py", environment=ANY),
        )

    step = one().resolve().steps["parallel"]
    assert isinstance(step, ParallelStep)
    assert (step.max_retries, step.timeout) == (0, 60)


def test_an_input_by_binding_with_a_mode_of_its_own(here: Folder) -> None:
    step = command(
        inputs={"x": Input(type="uri_folder")}, command="ls ${{inputs.x}}", environment=ANY
    )

    @pipeline
    def one(x: object) -> None:
        step(x=Input(type="uri_folder", path=x, mode="direct"))  # type: ignore[arg-type]

    data = one(Input(path="data")).resolve().steps["command"].inputs["x"]
    assert isinstance(data, Data)
    assert data.mode == "direct"


def test_mistakes_are_found_as_in_yaml() -> None:
    @pipeline
    def wrong() -> None:
        command(command="echo ${{inputs.x}}", environment="any", timeout=0)

    with pytest.raises(InvalidPipeline) as refused:
        wrong()
    assert {problem.key for problem in refused.value.problems} == {
        "jobs.command.command",
        "jobs.command.environment",
        "jobs.command.limits.timeout",
    }


def test_misuse_is_told() -> None:
    step = command(inputs={"x": 1}, command="true", environment=ANY)
    with pytest.raises(TypeError, match="no input 'y'; there are: x"):
        step(y=1)
    with pytest.raises(AttributeError, match="no 'rows'"):
        _ = step.outputs.rows

    @pipeline
    def inner() -> None:
        step()

    @pipeline
    def outer() -> None:
        inner()

    with pytest.raises(InvalidPipeline, match="inner is called inside a pipeline"):
        outer()

    @pipeline
    def returns_a_step() -> object:
        return step()

    with pytest.raises(TypeError, match="dict"):
        returns_a_step()
