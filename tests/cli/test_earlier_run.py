"""A run is given by its name or by its directory, wherever the command is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefect_parallel.cli.earlier_run import earlier_run
from prefect_parallel.data import NO_DATASTORES


def test_a_name_or_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "monday"
    run.mkdir(parents=True)
    (run / "job.yml").touch()
    # Not the run of that name.
    (tmp_path / "monday").mkdir()
    for given in ("monday", "runs/monday", "./runs/monday", str(run)):
        assert earlier_run("runs", given, NO_DATASTORES).resolve() == run, given
