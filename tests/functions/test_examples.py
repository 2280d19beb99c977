"""The examples of functions, each of which is one file."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, ClassVar

import nbformat
import pandas as pd
import psutil
import pytest
from nbclient import NotebookClient
from PIL import Image
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.conftest import copy_database
from tests.program import run_program
from tests.waiting import wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(example: str, folder: Path, server: str) -> str:
    return run_program(folder, server, EXAMPLES / example / f"{example}.py")


def test_thumbnails(tmp_path: Path, server: str) -> None:
    assert "100 thumbnails" in run("thumbnails", tmp_path, server)
    sizes = {Image.open(file).size for file in (tmp_path / "small").iterdir()}
    assert sizes == {(64, 48)}


def test_call_an_api(tmp_path: Path, server: str) -> None:
    # So slow to recover that it counts the requests, and so large that nothing waits.
    counting = GlobalConcurrencyLimitCreate(name="toy-api", limit=1000, slot_decay_per_second=0.001)
    with temporary_settings({PREFECT_API_URL: server}), get_client(sync_client=True) as client:
        client.create_global_concurrency_limit(counting)
        said = run("call_an_api", tmp_path, server)
        asked = client.read_global_concurrency_limit_by_name("toy-api").active_slots
    assert "50 answers" in said
    assert " 0 refusals" not in said
    assert asked > 50
    lines = (tmp_path / "squares.jsonl").read_text().splitlines()
    assert [json.loads(line)["square"] for line in lines] == [n**2 for n in range(50)]


class _Client(NotebookClient):
    """Also keeps what the updates of an output have replaced."""

    shown: ClassVar[list[str]] = []
    updates: ClassVar[list[str]] = []

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] == "update_display_data":
            self.updates.append(msg["content"]["data"]["text/plain"])
        elif msg["msg_type"] == "display_data":
            self.shown.append(msg["content"]["data"]["text/plain"])
        return super().process_message(msg, cell, cell_index)


def is_of(process: psutil.Process, home: Path) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.environ().get("PREFECT_HOME") == str(home)
    return False


SECOND_CALL = """
import os
again = parallel(score)(sales.head(10))
"PREFECT_API_URL" in os.environ, again.items["succeeded"]
"""


@pytest.mark.usefixtures("server")
def test_notebook_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server of the first call stays for the second one, and ends with the kernel."""
    copy_database(Path(os.environ["PREFECT_HOME"]), tmp_path)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL")
    file = EXAMPLES / "notebook_function" / "notebook_function.ipynb"
    notebook = nbformat.read(file, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(SECOND_CALL))
    _Client(notebook, timeout=480, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert ["a Prefect server" in shown for shown in _Client.shown] == [True, False]
    assert notebook.cells[-1].outputs[-1].data["text/plain"] == "(False, 10)"
    wait_until(lambda: not [each for each in psutil.process_iter() if is_of(each, tmp_path)])
    # Nothing else, such as logs of Prefect.
    progress, result = (each.data["text/html"] for each in notebook.cells[3].outputs)
    assert any("0/10 mini-batches" in update for update in _Client.updates)
    assert "width:100.0%" in progress
    assert "Completed: 10 of 10 mini-batches succeeded" in progress
    assert "<b>score: Completed</b>" in result
    assert "10,000 of 10,000 succeeded" in result
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    assert scores.total.iloc[-1] == pytest.approx(10_000 * 2 * 1.19)
