"""Four tasks with five systems: each does the work; docs/comparison.md tells its length."""

from __future__ import annotations

import http.server
import importlib.util
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import joblib
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import LinearRegression

HERE = Path(__file__).parent
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
    for folder in ("photos", "small", "houses"):
        (tmp_path / folder).mkdir()
    sales = pd.DataFrame({"price": range(200_000), "quantity": 2})
    sales.to_csv(tmp_path / "sales.csv", index=False)
    for number in range(3):
        Image.new("RGB", (80, 40)).save(tmp_path / f"photos/{number}.png")
        areas = pd.DataFrame({"area": [10.0 * number, 20.0]})
        areas.to_parquet(tmp_path / f"houses/{number}.parquet")
    model = LinearRegression().fit(pd.DataFrame({"area": [0, 1]}), [0, 3])
    joblib.dump(model, tmp_path / "model.joblib")
    (tmp_path / "all.py").write_text(IN_ONE_PROCESS)

    with web_server() as address:
        (tmp_path / "urls.txt").write_text("\n".join(f"{address}/{n}" for n in range(25)))
        scripts = [str(HERE / task / SYSTEMS[system]) for task in TASKS]
        ended = subprocess.run(
            [sys.executable, "all.py", *scripts],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )

    assert ended.returncode == 0, ended.stdout
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    assert scores.total.tolist() == [2 * price for price in range(200_000)]
    assert [Image.open(tmp_path / f"small/{n}.png").size for n in range(3)] == [(10, 5)] * 3
    assert not Pages.failing
    assert json.loads((tmp_path / "pages.json").read_text()) == [f"page /{n}" for n in range(25)]
    prices = pd.read_parquet(tmp_path / "prices.parquet").price.tolist()
    assert prices == pytest.approx([0, 60, 30, 60, 60, 60])


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


class Pages(http.server.BaseHTTPRequestHandler):
    """The first URL of ten fails once."""

    failing: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        self.send_response(503 if self.path in self.failing else 200)
        self.failing.discard(self.path)
        self.end_headers()
        self.wfile.write(f"page {self.path}".encode())

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


@contextmanager
def web_server() -> Iterator[str]:
    Pages.failing.update({"/0", "/10", "/20"})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
