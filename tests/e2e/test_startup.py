"""Commands that run nothing start fast: they import neither Prefect nor Dask, nor pandas."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "iris_batch_prediction" / "pipeline.yml"

RUNS = Path(__file__).parent

SLOW = {"prefect", "prefect_dask", "dask", "distributed"}

OF_DATA = {"numpy", "pandas", "pyarrow"}
"""What only `plan` needs, which reads the beginning of tables."""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["validate", EXAMPLE],
        ["plan", EXAMPLE],
        ["schema"],
        ["runs", "--output-dir", RUNS],
    ],
    ids=lambda arguments: str(arguments[0]),
)
def test_a_command_that_runs_nothing_imports_nothing_slow(arguments: list[object]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "prefect_parallel.cli"]
    ended = subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    imported = {line.rsplit("|", 1)[-1].strip() for line in ended.stderr.splitlines()}
    assert "prefect_parallel.cli.app" in imported
    assert imported.isdisjoint(SLOW if "plan" in arguments else SLOW | OF_DATA)
