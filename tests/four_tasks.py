"""The data of the four tasks that the comparison does with functions."""

from __future__ import annotations

import http.server
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


def write_data(folder: Path, sales: int) -> None:
    """Write a table of sales, pictures, houses and a model of their prices, below a folder."""
    for name in ("photos", "small", "houses"):
        (folder / name).mkdir()
    rows = pd.DataFrame({"price": range(sales), "quantity": 2})
    rows.to_csv(folder / "sales.csv", index=False)
    for number in range(3):
        Image.new("RGB", (80, 40)).save(folder / f"photos/{number}.png")
        areas = pd.DataFrame({"area": [10.0 * number, 20.0]})
        areas.to_parquet(folder / f"houses/{number}.parquet")
    model = LinearRegression().fit(pd.DataFrame({"area": [0, 1]}), [0, 3])
    joblib.dump(model, folder / "model.joblib")


def check_files(folder: Path, sales: int, prices: list[float]) -> None:
    """Check what was made of it: the totals, the pictures and the prices."""
    totals = pd.read_parquet(folder / "scores.parquet").total.tolist()
    assert totals == [2 * price for price in range(sales)]
    assert [Image.open(folder / f"small/{n}.png").size for n in range(3)] == [(10, 5)] * 3
    assert prices == pytest.approx([0, 60, 30, 60, 60, 60])


PAGES = [f"page /{number}" for number in range(25)]
"""What a web server answers to the URLs that `web_server` writes."""


class _Pages(http.server.BaseHTTPRequestHandler):
    failing: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        self.send_response(503 if self.path in self.failing else 200)
        self.failing.discard(self.path)
        self.end_headers()
        self.wfile.write(f"page {self.path}".encode())

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


@contextmanager
def web_server(folder: Path, failing: set[str]) -> Iterator[None]:
    """A web server with the pages of `urls.txt`, some of which fail once, and all are asked for."""
    _Pages.failing.update(failing)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        (folder / "urls.txt").write_text("\n".join(f"{address}/{n}" for n in range(len(PAGES))))
        try:
            yield
        finally:
            server.shutdown()
    assert not _Pages.failing
