"""Four tasks with five systems: each does the work; docs/comparison.md tells its length."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.four_tasks import PAGES, check_files, web_server, write_data

HERE = Path(__file__).parent
SALES = 200_000
TASKS = ("score", "thumbnails", "fetch", "predict")
SYSTEMS = {
    "prefect-parallel": "with_prefect_parallel.py",
    "joblib": "with_joblib.py",
    "Dask": "with_dask.py",
    "Ray": "with_ray.py",
    "Prefect": "with_prefect.py",
}

# Ray is not among the packages of the tests: it is tried where it is installed.
RUN = [system for system in SYSTEMS if system != "Ray" or importlib.util.find_spec("ray")]

# One process for all four, as each start of Ray or of a Prefect server takes seconds.
IN_ONE_PROCESS = """
import runpy, sys
if __name__ == "__main__":
    for script in sys.argv[1:]:
        runpy.run_path(script, run_name="__main__")
"""


@pytest.mark.parametrize("system", RUN)
def test_each_system_does_the_four_tasks(tmp_path: Path, server: str, system: str) -> None:
    write_data(tmp_path, SALES)
    (tmp_path / "all.py").write_text(IN_ONE_PROCESS)

    with web_server(tmp_path, failing={"/0", "/10", "/20"}):
        scripts = [str(HERE / task / SYSTEMS[system]) for task in TASKS]
        ended = subprocess.run(
            [sys.executable, "all.py", *scripts],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )

    assert ended.returncode == 0, ended.stdout
    prices = pd.read_parquet(tmp_path / "prices.parquet").price.tolist()
    check_files(tmp_path, SALES, prices)
    assert json.loads((tmp_path / "pages.json").read_text()) == PAGES


def test_the_lengths_in_the_docs_are_those_of_the_scripts() -> None:
    page = (HERE.parents[1] / "docs" / "comparison.md").read_text()
    told = dict(re.findall(r"^\| (\S+) \| ((?:\d+ \| ){3}\d+) \|$", page, re.MULTILINE))
    counted = {
        system: " | ".join(str(lines_of(HERE / task / name)) for task in TASKS)
        for system, name in SYSTEMS.items()
    }
    assert told == counted


def lines_of(script: Path) -> int:
    return sum(bool(line.strip()) for line in script.read_text().splitlines())
