"""`prefect-parallel runs prune`: old runs are removed, and no others."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from prefect_parallel.cli.estimate import estimate
from prefect_parallel.cli.prune import prune_runs
from prefect_parallel.cli.runs import rows
from prefect_parallel.errors import InvalidCall
from prefect_parallel.flow.nodes.groups import Work
from prefect_parallel.flow.run_directories.lock import hold
from prefect_parallel.flow.run_directories.runs import Runs
from prefect_parallel.layout import RunDirectory, UnusableRunDirectory
from prefect_parallel.output.run_result import RunResult
from tests.cli.test_estimate import write_run

HOUR = 3600


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Runs that are 0, 2, 4 and 6 hours old, and a folder that is none."""
    for hours in (0, 2, 4, 6):
        file = RunDirectory(tmp_path / f"run{hours}").job_file
        file.parent.mkdir()
        file.write_text("display_name: a test\n")
        os.utime(file, (time.time() - hours * HOUR - 60,) * 2)
    (tmp_path / "other").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("keep", "older_than", "left"),
    [
        (3, None, "run0 run2 run4"),
        (9, None, "run0 run2 run4 run6"),
        (0, None, ""),
        (None, "4h", "run0 run2"),
        (3, "1h", "run0 run2 run4"),
        (1, "5h", "run0 run2 run4"),
        (1, "1w", "run0 run2 run4 run6"),
    ],
)
def test_what_is_among_the_latest_or_young_stays(
    folder: Path, capsys: pytest.CaptureFixture[str], keep: int | None, older_than: str, left: str
) -> None:
    prune_runs(Runs.at(folder), keep, older_than, dry_run=True)
    assert len(list(folder.iterdir())) == 5
    would = capsys.readouterr().out
    prune_runs(Runs.at(folder), keep, older_than, dry_run=False)
    assert capsys.readouterr().out == would.replace(" would be", "")
    assert sorted(path.name for path in folder.iterdir()) == ["other", *left.split()]


def test_what_a_killed_prune_has_left_is_removed_by_the_next(folder: Path) -> None:
    (folder / "run6").rename(folder / ".pruned-run6")
    prune_runs(Runs.at(folder), 9, None, dry_run=True)
    assert (folder / ".pruned-run6" / "job.yml").exists()
    prune_runs(Runs.at(folder), 9, None, dry_run=False)
    assert sorted(path.name for path in folder.iterdir()) == ["other", "run0", "run2", "run4"]


def test_runs_that_are_removed_meanwhile_are_skipped(tmp_path: Path) -> None:
    for number in range(60):
        write_run(tmp_path, f"run{number}", 1.0, title=str(number % 2))
    with ThreadPoolExecutor(2) as threads:
        prunes = [
            threads.submit(prune_runs, Runs.at(tmp_path), 0, None, dry_run=False) for _ in range(2)
        ]
        while not all(prune.done() for prune in prunes):
            assert [row.name for row in rows(tmp_path) if row.name.startswith(".")] == []
            estimate(tmp_path, "1", "score", Work(2, 200), slots=1)
    for prune in prunes:
        prune.result()
    assert list(tmp_path.iterdir()) == []


def test_a_run_in_progress_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepared = RunResult("Prepared", "", "2026-11-29T00:00:00+00:00", 1.0, {})
    prepared.write(RunDirectory(folder / "run0").result)
    with hold(RunDirectory(folder / "run4")):
        prune_runs(Runs.at(folder), 0, None, dry_run=False)
    said = capsys.readouterr().out
    assert sorted(said.splitlines()) == [
        "2 runs removed, 2 kept",
        "run0 is in progress",
        "run2",
        "run4 is in progress",
        "run6",
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["other", "run0", "run4"]


@pytest.mark.parametrize(
    ("keep", "older_than", "why"),
    [
        (None, None, "give --keep or --older-than"),
        (-1, None, "--keep -1: must be 0 or more"),
        (None, "14", "--older-than 14: must be a number of hours, days or weeks"),
    ],
)
def test_an_option_that_is_not_valid_removes_nothing(
    folder: Path, keep: int | None, older_than: str | None, why: str
) -> None:
    with pytest.raises(InvalidCall, match=why):
        prune_runs(Runs.at(folder), keep, older_than, dry_run=False)
    with pytest.raises(UnusableRunDirectory, match="only runs in a local folder"):
        prune_runs(Runs.at("memory://bucket/runs"), 0, None, dry_run=False)
    assert len(list(folder.iterdir())) == 5
