"""How long `plan` expects a step to take."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from prefect_parallel.cli.estimate import estimate
from prefect_parallel.cli.runs import rows
from prefect_parallel.data.mini_batch import File, MiniBatch, Piece
from prefect_parallel.flow.nodes.groups import Work
from prefect_parallel.job import load_pipeline
from prefect_parallel.layout import RunDirectory
from tests.output.written_run import WrittenRun


def write_run(folder: Path, name: str, seconds: float, *, title: str = "t") -> None:
    """A run with a mini-batch of 100 bytes that succeeded at once, and one that did on a retry."""
    run = WrittenRun(folder / name)
    run.attempt(0, seconds=seconds)
    run.attempt(1, "ValueError: no", seconds=seconds)
    run.attempt(1, attempt=2, seconds=seconds)
    run.attempt(2, "ValueError: no", seconds=1000)
    file = RunDirectory(folder / name).job_file
    file.write_text(f"display_name: {title}\njobs: {{score: {{}}}}\n")
    descriptors = [MiniBatch(index, (Piece(File("a", 100, 1)),)) for index in range(3)]
    lines = [json.dumps({"mini_batch": each.to_json()}) + "\n" for each in descriptors]
    RunDirectory(folder / name).step("score").plan.write_text("".join(lines))


@pytest.mark.parametrize(
    ("mini_batches", "extent", "slots", "time"),
    [
        (2, 200, 1, "30 s"),
        (20, 2000, 1, "5 min 00 s"),
        (20, 2000, 4, "1 min 15 s"),
        (2, 600, 1, "1 min 00 s"),
    ],
)
def test_the_latest_run_of_the_pipeline_counts(
    tmp_path: Path, mini_batches: int, extent: int, slots: int, time: str
) -> None:
    for number, (name, seconds, title) in enumerate(
        [("first", 99.0, "t"), ("last", 10.0, "t"), ("other", 99.0, "another")]
    ):
        write_run(tmp_path, name, seconds, title=title)
        os.utime(tmp_path / name / "job.yml", (number, number))
    found = estimate(tmp_path, "t", "score", Work(mini_batches, extent), slots)
    assert found == f"about {time}, by 2 mini-batches of run last"


def test_pipelines_without_a_display_name_are_told_by_their_files(tmp_path: Path) -> None:
    for number, (name, seconds) in enumerate([("first", 10.0), ("second", 99.0)]):
        file = tmp_path / f"{name}.yml"
        file.write_text("type: pipeline\njobs: {score: {command: ls, environment: azureml:e:1}}\n")
        write_run(tmp_path / "runs", name, seconds)
        job_file = RunDirectory(tmp_path / "runs" / name).job_file
        job_file.write_text(load_pipeline(file).to_yaml(absolute_paths=True))
        os.utime(job_file, (number, number))
    found = estimate(tmp_path / "runs", "first", "score", Work(2, 200), 1)
    assert found == "about 30 s, by 2 mini-batches of run first"


def test_unreadable_files_of_other_runs_do_not_count(tmp_path: Path) -> None:
    write_run(tmp_path, "run", 10.0)
    for name, text in {"empty": "", "broken": "a: [", "list": "[1]", "binary": "\0"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "job.yml").write_text(text)
        (tmp_path / name / "result.yml").write_text(text)
    (tmp_path / "folder/job.yml").mkdir(parents=True)
    found = estimate(tmp_path, "t", "score", Work(2, 200), 1)
    assert found == "about 30 s, by 2 mini-batches of run run"
    statuses = {row.name: row.status for row in rows(tmp_path)}
    assert statuses == {
        **dict.fromkeys(("empty", "broken", "list", "binary"), "Unreadable"),
        **dict.fromkeys(("folder", "run"), "Crashed"),
    }


def test_what_has_not_run_is_unknown(tmp_path: Path) -> None:
    assert estimate(tmp_path / "runs", "t", "score", Work(1, 1), 1) is None
    write_run(tmp_path, "run", 1.0)
    assert estimate(tmp_path, "t", "after", Work(1, 1), 1) is None
