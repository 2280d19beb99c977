"""Tables and items without an MLTable file, split by number."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import yaml

from tests.e2e.conftest import COMMAND, Pipeline

SCRIPT = """
import json

def run(mini_batch):
    if isinstance(mini_batch, list):
        return [f"{len(mini_batch)} {json.dumps(item)}" for item in mini_batch]
    print(len(mini_batch), mini_batch.columns.tolist())
    return mini_batch
"""
ITEMS = [1, 2.0, None, "a\nb", {"x": [True]}]


def _change_to_data(it: Pipeline) -> None:
    """One step gets a folder of CSV files, another one a file of items."""
    (it.folder / "data" / "000.txt").unlink()
    for name, rows in (("a.csv", range(5)), ("b.csv", range(5, 7))):
        text = "".join(f'{row},"x\n{row}"\n' for row in rows)
        (it.folder / "data" / name).write_text(f"n,t\n{text}")
    (it.folder / "items").write_text("".join(json.dumps(item) + "\n" for item in ITEMS))
    step = yaml.safe_load(it.file.read_text())["jobs"]["step"]
    files = {"files": {"type": "uri_file", "path": "./items", "mode": "direct"}}
    it.change("jobs.items", {**step, "inputs": files, "properties": {"input_format": "items"}})
    it.change("jobs.items.mini_batch_size", "3")
    it.change("jobs.step.inputs.files.mode", "direct")
    it.change("jobs.step.mini_batch_size", "100")
    it.change("jobs.step.properties", {"input_format": "csv"})
    it.change("jobs.bytes", yaml.safe_load(it.file.read_text())["jobs"]["step"])
    it.change("jobs.step.mini_batch_size", "3 rows")
    it.change("jobs.step.properties", {"input_format": "csv", "owner": "tests"})


def test_a_csv_folder_by_rows_and_a_file_of_items(pipeline: Any) -> None:
    it: Pipeline = pipeline(SCRIPT, files=1)
    _change_to_data(it)
    command = [*COMMAND, "plan", str(it.file)]
    planned = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = [" ".join(line.split()) for line in planned.splitlines()]
    assert "mini-batches 3, of 3 rows" in lines
    assert "mini-batches 2, by size" in lines
    note = "means 100 bytes, since the input is a table: for rows, write"
    assert note in planned.replace("\n", " ")
    assert note in it.call().replace("\n", " ")
    assert it.output.read_text() == "".join(f'{row},"x\n{row}"\n' for row in range(7))
    assert sorted(it.said().splitlines()) == [f"{n} ['n', 't']" for n in (2, 2, 3)]
    output = it.folder / "runs" / "run" / "steps" / "items" / "outputs" / "out"
    sizes = [3, 3, 3, 2, 2]
    assert output.read_text().splitlines() == [
        f"{size} {json.dumps(item)}" for size, item in zip(sizes, ITEMS, strict=True)
    ]
    assert it.result["items"] == {"total": 7, "succeeded": 7, "failed": 0}
    part = it.step / "parts" / "000001.part"
    part.unlink()
    said = it.call(resume=True)
    assert "step: 2 of 3 mini-batches are reused" in said
    assert "step: 1 mini-batch to run on" in said
    assert it.output.read_text().count("x") == 7


def test_a_size_that_does_not_suit_the_input_fails_before_the_run(pipeline: Any) -> None:
    it: Pipeline = pipeline(SCRIPT, files=1, mini_batch_size="3 rows")
    said = it.run(expect=2)
    assert "mini_batch_size 3 rows: the input is a list of files" in said
    assert not (it.folder / "runs").exists()
