"""The example in the README runs."""

from __future__ import annotations

import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import joblib
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import LinearRegression

from tests.e2e.conftest import COMMAND

ROOT = Path(__file__).parents[1]

FILE = re.compile(r"```(?:yaml|python)\n# (\S+)\n(.*?)```", re.DOTALL)
FILES = FILE.findall((ROOT / "README.md").read_text())
"""A code block that contains a file: its path, then its content."""


def test_its_example_runs(tmp_path: Path, server: str) -> None:
    for name, text in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "model.json").write_text('{"discount": 0.5}')
    (tmp_path / "sales").mkdir()
    for number in range(4):
        sales = pd.DataFrame({"price": range(500), "quantity": number})
        sales.to_csv(tmp_path / f"sales/{number}.csv", index=False)

    ended = subprocess.run(
        [*COMMAND, "run", "pipeline.yml", "--name", "first"],
        cwd=tmp_path,
        env={**os.environ, "PREFECT_API_URL": server},
        capture_output=True,
        text=True,
        timeout=480,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert scores.total.tolist() == [
        price * number * 0.5 for number in range(4) for price in range(500)
    ]
    assert "20 mini-batches to run on 2 nodes x 2 slots" in ended.stdout


def test_its_functions_run(tmp_path: Path, server: str) -> None:
    scripts = {name: text for name, text in FILES if "import parallel\n" in text}
    assert len(scripts) == 4
    assert all(_lines(text) <= 8 for text in scripts.values())
    for folder in ("photos", "small", "houses"):
        (tmp_path / folder).mkdir()
    sales = pd.DataFrame({"price": range(100), "quantity": 2})
    sales.to_csv(tmp_path / "sales.csv", index=False)
    for number in range(3):
        Image.new("RGB", (80, 40)).save(tmp_path / f"photos/{number}.png")
        areas = pd.DataFrame({"area": [10.0 * number, 20.0]})
        areas.to_parquet(tmp_path / f"houses/{number}.parquet")
    model = LinearRegression().fit(pd.DataFrame({"area": [0, 1]}), [0, 3])
    joblib.dump(model, tmp_path / "model.joblib")

    with _web_server() as address:
        urls = [f"{address}/{number}" for number in range(25)]
        (tmp_path / "urls.txt").write_text("\n".join(urls))
        # In one process, with what each leaves to look at.
        text = "\n".join([*scripts.values(), "prices.to_csv('prices.csv')", "print(pages)"])
        (tmp_path / "all.py").write_text(text)
        ended = subprocess.run(
            [sys.executable, "all.py"],
            cwd=tmp_path,
            env={**os.environ, "PREFECT_API_URL": server},
            capture_output=True,
            text=True,
            timeout=480,
            check=False,
        )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    assert scores.total.tolist() == [2 * price for price in range(100)]
    assert Image.open(tmp_path / "small/2.png").size == (10, 5)
    prices = pd.read_csv(tmp_path / "prices.csv").price.tolist()
    assert prices == pytest.approx([0, 60, 30, 60, 60, 60])
    assert str([f"page /{number}" for number in range(25)]) in ended.stdout


def _lines(text: str) -> int:
    return len([line for line in text.splitlines() if line.strip()])


class _Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"page {self.path}".encode())

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


@contextmanager
def _web_server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
