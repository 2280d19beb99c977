"""Pipelines written in Python."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from prefect_parallel.errors import InvalidPipeline
from prefect_parallel.job import (
    CommandStep,
    Data,
    Literal,
    OutputOf,
    ParallelStep,
    Parameter,
    load_pipeline,
    resolve,
)
from prefect_parallel.job.builder import (
    Environment,
    Input,
    Output,
    RunFunction,
    command,
    parallel_run_function,
    pipeline,
)
from prefect_parallel.job.models.pipeline import PipelineJob

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
            environment=Environment(image="any/image", properties={"a": "b"}, datastore="any"),
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


def test_a_printed_job_is_its_yaml(here: Folder) -> None:
    (here.path / "printed.yml").write_text(str(make()))
    assert load_pipeline(here.path / "printed.yml") == make()


def test_it_resolves(here: Folder) -> None:
    job = make()
    assert job.path is None
    assert job.parameters == [
        Parameter("files", "uri_folder", "./data", "Today's"),
        Parameter("depth", "integer", 2),
    ]
    assert resolve(job).graph.after == {"scores": set(), "again": {"scores"}, "summary": {"scores"}}
    steps = resolve(job, {"depth": 5}).steps
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


def test_a_name_comes_before_the_variable() -> None:
    score = scoring(name="score")

    @pipeline
    def one_variable() -> None:
        score()
        last = score()
        assert last.name == "score"

    @pipeline
    def two_variables() -> None:
        first = score()
        second = score()
        assert first is not second

    assert list(one_variable().jobs) == ["score_1", "score"]
    assert list(two_variables().jobs) == ["first", "second"]


def test_the_name_of_a_command_is_its_components() -> None:
    template = command(command="true", environment=ANY, name="tell")

    @pipeline
    def several() -> None:
        told = template()
        _ = template()
        renamed = template()
        renamed.name = "other"
        placed = command(command="true", environment=ANY, name="mine")
        assert told.command == placed.command

    assert list(several().jobs) == ["told", "told_1", "other", "mine"]


def test_steps_are_changed_in_place(here: Folder) -> None:
    copying = command(
        inputs={"x": Input(type="uri_folder")},
        outputs={"y": Output(type="uri_folder"), "z": None},
        command="cp -r ${{inputs.x}} ${{outputs.y}}",
        environment=ANY,
    )
    score = scoring(retry_settings={"max_retries": 1})

    @pipeline
    def flow(x: object) -> object:
        copied = copying(x=x)
        copied.outputs.y.type = "mltable"
        copied.outputs.z.path = "azureml://datastores/a/paths/b"
        copied.inputs.x.mode = "direct"
        copied.environment_variables["A"] = "b"
        copied.set_limits(timeout=7)
        scores = score(files=copied.outputs.y)
        scores.inputs.files.mode = "download"
        scores.resources = {"instance_count": 2}
        scores.resources.instance_count = 3
        scores.retry_settings.max_retries = 5
        scores.task.program_arguments = "--x 1"
        again = score(files=copied.outputs.y)
        assert again.retry_settings.max_retries == 1
        return {"rows": scores.outputs.rows}

    job = flow(x=Input(path="data"))
    job.settings.default_compute = None
    assert "default_compute" not in job.to_yaml()
    job.settings.default_compute = "pool"
    job.settings.continue_on_step_failure = True
    job.outputs.rows.mode = "upload"  # type: ignore[attr-defined]
    here.text = """\
type: pipeline
display_name: flow
settings: {default_compute: azureml:pool, continue_on_step_failure: true}
inputs:
  x: {type: uri_folder, path: data}
outputs:
  rows: {type: uri_file, mode: upload}
jobs:
  copied:
    type: command
    inputs:
      x: {type: uri_folder, path: '${{parent.inputs.x}}', mode: direct}
    outputs:
      y: {type: mltable}
      z: {type: uri_folder, path: azureml://datastores/a/paths/b}
    command: cp -r ${{inputs.x}} ${{outputs.y}}
    environment: azureml:any:1
    environment_variables: {A: b}
    limits: {timeout: 7}
  scores:
    type: parallel
    inputs:
      files: {type: uri_folder, path: '${{parent.jobs.copied.outputs.y}}', mode: download}
    outputs:
      rows: ${{parent.outputs.rows}}
    input_data: ${{inputs.files}}
    resources: {instance_count: 3}
    retry_settings: {max_retries: 5}
    task: &task
      type: run_function
      code: code
      entry_script: entry.py
      environment: azureml:any:1
      program_arguments: --x 1
  again:
    type: parallel
    inputs:
      files: {type: uri_folder, path: '${{parent.jobs.copied.outputs.y}}'}
    outputs:
      rows: {type: uri_file}
    input_data: ${{inputs.files}}
    retry_settings: {max_retries: 1}
    task: {type: run_function, code: code, entry_script: entry.py, environment: azureml:any:1}
"""
    assert job == here.load()
    here.text = job.to_yaml()
    assert here.load() == job


def test_a_step_with_one_output_is_an_input() -> None:
    score = scoring()

    @pipeline
    def chain() -> object:
        first = score()
        second = score(files=first)
        return second.outputs

    job = chain()
    assert resolve(job).graph.after == {"first": set(), "second": {"first"}}
    assert list(job.outputs) == ["rows"]


def test_none_is_not_given() -> None:
    tell = command(
        inputs={"note": Input(type="string", optional=True)},
        command="echo $[[--note ${{inputs.note}}]]",
        environment=ANY,
    )

    @pipeline
    def telling(note: object = None) -> None:
        told = tell(note=note)
        assert told.inputs.note.optional

    job = telling()
    assert (dict(job.inputs), dict(job.jobs["told"].inputs)) == ({}, {})
    assert resolve(telling(note="x")).steps["told"].inputs == {"note": Literal("x", "string")}


@pytest.mark.parametrize(
    ("value", "allowed"), [(9, "at most 5"), (-1, "at least 0"), ("c", "a, b")]
)
def test_limits_of_an_input(value: object, allowed: str) -> None:
    @pipeline
    def limited() -> None:
        step = command(
            inputs={
                "n": Input(type="number", min=0, max=5),
                "e": Input(type="string", enum=["a", "b"]),
            },
            command="true",
            environment=ANY,
        )
        told = step(n=1, e=value) if isinstance(value, str) else step(n=value, e="a")
        assert told

    with pytest.raises(InvalidPipeline) as refused:
        limited()
    (problem,) = refused.value.problems
    assert problem.allowed == allowed
    assert problem.key in ("jobs.told.inputs.n", "jobs.told.inputs.e")


@pytest.mark.parametrize("given", ["abc", 77, True, {"a": 1}])
def test_literals_are_checked_as_they_are_declared(given: object) -> None:
    step = command(
        inputs={"n": Input(type="integer", min=1, max=5)},
        command="echo ${{inputs.n}}",
        environment=ANY,
    )

    @pipeline
    def direct() -> None:
        told = step(n=given)
        assert told

    @pipeline
    def bound(number: object) -> None:
        told = step(n=number)
        assert told

    with pytest.raises(InvalidPipeline, match=r"jobs\.told\.inputs\.n: found"):
        direct()
    with pytest.raises(InvalidPipeline, match=r"inputs\.number: found"):
        bound(given)
    assert resolve(bound(3)).steps["told"].inputs["n"] == Literal(3, "integer")


def test_unknown_settings_cannot_be_assigned() -> None:
    @pipeline
    def one() -> None:
        told = command(command="true", environment=ANY)
        assert told

    job = one()
    with pytest.raises(AttributeError, match=r"no 'default_computer'; did you mean default_comp"):
        job.settings.default_computer = "small"
    job.settings.default_compute = "small"


def test_arguments_are_those_of_azure() -> None:
    def names(function: Any) -> set[str]:
        return set(inspect.signature(function).parameters)

    assert names(Input) >= {"type", "path", "mode", "default", "optional", "min", "max", "enum"}
    assert names(command) >= {"services", "job_tier", "priority", "parent_job_name"}
    nouns: list[Any] = [Input, Output, RunFunction, Environment]
    for noun in nouns:
        with pytest.raises(TypeError, match="positional"):
            noun("x")

    @pipeline(name="n", version="1")
    def named() -> None:
        command(
            command="true", environment=ANY, job_tier="standard", parent_job_name="x", timeout=1
        )

    assert named().display_name == "n"
    assert named().name is None


def scoring(**more: Any) -> Any:
    return parallel_run_function(
        inputs={"files": Input(path="data")},
        outputs={"rows": Output(type="uri_file")},
        input_data="${{inputs.files}}",
        task=RunFunction(code="code", entry_script="entry.py", environment=ANY),
        **more,
    )


def test_retry_settings_may_be_an_object(here: Folder) -> None:
    @pipeline()
    def one() -> None:
        parallel_run_function(
            inputs={"files": Input(path="data")},
            input_data="${{inputs.files}}",
            retry_settings=SimpleNamespace(max_retries=0, timeout=None),
            task=RunFunction(code="code", entry_script="entry.py", environment=ANY),
        )

    step = resolve(one()).steps["parallel"]
    assert isinstance(step, ParallelStep)
    assert (step.max_retries, step.timeout) == (0, 60)


def test_an_input_by_binding_with_a_mode_of_its_own(here: Folder) -> None:
    step = command(
        inputs={"x": Input(type="uri_folder")}, command="ls ${{inputs.x}}", environment=ANY
    )

    @pipeline
    def one(x: object) -> None:
        step(x=Input(type="uri_folder", path=x, mode="direct"))  # type: ignore[arg-type]

    data = resolve(one(Input(path="data"))).steps["command"].inputs["x"]
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
    with pytest.raises(
        AttributeError, match="a command step has no 'comand'; did you mean command"
    ):
        step.comand = "ls"

    @pipeline
    def ambiguous() -> None:
        made = command(outputs={"a": None, "b": None}, command="true", environment=ANY)
        step(x=made)

    with pytest.raises(TypeError, match="give one of its outputs: a, b"):
        ambiguous()

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
