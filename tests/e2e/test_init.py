"""`prefect-parallel init`, `runs`, and the names that a shell completes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from prefect_parallel.flow.run_directories.lock import hold
from prefect_parallel.layout import RunDirectory
from tests.e2e.conftest import COMMAND


def command(folder: Path, *arguments: str, server: str = "", expect: int = 0) -> str:
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env={**os.environ, "PREFECT_API_URL": server},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_starter_runs_at_once_and_the_run_is_listed(tmp_path: Path, server: str) -> None:
    said = command(tmp_path, "init", "words")
    assert said.endswith("run it: prefect-parallel run words/pipeline.yml\n")
    refused = command(tmp_path, "init", "words", expect=1)
    assert "words has pipeline.yml, script/count_words.py" in refused
    assert "there is no folder runs" in command(tmp_path, "runs", expect=1)

    command(tmp_path, "run", "words/pipeline.yml", "--name", "monday", server=server)
    run = RunDirectory(tmp_path / "runs" / "monday")
    lines = run.step("count").output("counts").joinpath("counts.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == {"text": "fox.txt", "words": 7}
    assert len(lines) == 5
    assert "monday" in command(tmp_path, "runs")
    assert row(tmp_path) == ["Completed", "3/3", "5/5"]
    with hold(run):
        assert row(tmp_path)[0] == "Running"
    run.result.unlink()
    assert row(tmp_path)[0] == "Crashed"

    assert completed(tmp_path, "logs", "mon") == ["monday"]
    assert completed(tmp_path, "logs", "monday", "--step", "") == ["count"]
    assert completed(tmp_path, "debug", "-f", "words/pipeline.yml", "--step", "") == ["count"]
    assert completed(tmp_path, "run", "--resume", "") == ["monday"]
    assert completed(tmp_path, "debug", "-f", "words/none.yml", "--step", "") == []


def row(folder: Path) -> list[str]:
    """Status and counts of the run that `runs` lists last."""
    cells = command(folder, "runs").splitlines()[-1].split("  ")
    _, status, _, _, *counts = [cell.strip() for cell in cells if cell.strip()]
    return [status, *counts]


def completed(folder: Path, *words: str) -> list[str]:
    """What a shell is offered for the last word."""
    return [line.split("\t")[0] for line in command(folder, "__complete", *words).split("\n")[2:-1]]
