"""One bad row costs one row."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pandas as pd
import pytest

from prefect_parallel import ParallelFailed, parallel
from prefect_parallel.errors import InvalidInput

ROWS = pd.DataFrame({"row": range(500)})
RAISES, HANGS, EXITS, ALLOCATES = BAD = (3, 277, 278, 499)
MEGABYTES_16 = 1 << 24


@parallel(
    mini_batch_size=5,
    max_retries=0,
    timeout=4,
    max_process_memory="300mb",
    isolate_failed_items=True,
)
def fragile(rows: pd.DataFrame) -> pd.DataFrame:
    """Fails with some rows, each in its own way."""
    assert rows.index.equals(pd.RangeIndex(len(rows)))
    for row in rows["row"]:
        if row == RAISES:
            raise ValueError(f"bad row {row}")
        if row == HANGS:
            time.sleep(600)
        if row == EXITS:
            os._exit(3)
        if row == ALLOCATES:
            hoard = [b"x" * MEGABYTES_16 for _ in range(128)]
            time.sleep(len(hoard))
    return rows.assign(double=rows["row"] * 2)


@pytest.mark.parametrize(("nodes", "slots"), [(1, 1), (2, 2), (4, 1)])
def test_a_bad_row_costs_one_row(folder: Path, nodes: int, slots: int) -> None:
    many = fragile.with_options(instance_count=nodes, max_concurrency_per_instance=slots)
    result = many(ROWS, output="rows.csv", name="bad")

    lines = [f"{row},{2 * row}" for row in range(500) if row not in BAD]
    assert Path("rows.csv").read_bytes() == "\n".join(["row,double", *lines, ""]).encode()
    assert result.items == {"total": 500, "succeeded": 496, "failed": 4}
    assert result.mini_batches["failed"] == 3
    found = result.failed_items
    assert [5 * each["mini_batch"] + each["item"] for each in found] == list(BAD)
    assert [each["error"] for each in found][:3] == [
        "ValueError: bad row 3",
        "fragile() took longer than timeout: 4 s",
        "the process ended during fragile(): exit code 3",
    ]
    assert found[3]["error"].startswith("out of memory during fragile(): it used ")
    assert {(each["items"], each["alone"]) for each in found} == {(1, True)}
    assert all(Path(each["file"]).exists() for each in found)
    step = result.run_directory / "steps" / result.name
    assert all((step / each["traceback_file"]).exists() for each in found)
    assert not (step / "isolated").exists()
    report = result.report.read_text()
    assert "Failed items by root cause" in report
    assert f"item 3 of mini-batch 0, in {found[0]['file']} {found[0]['range']}" in report


@parallel(
    mini_batch_size=100, max_concurrency_per_instance=1, max_retries=0, isolate_failed_items=True
)
def at_most_30(rows: pd.DataFrame) -> list[int]:
    assert len(rows) <= 30
    return rows["row"].tolist()


def test_rows_that_are_too_many_at_once_are_all_in_the_output(folder: Path) -> None:
    result = at_most_30(ROWS[:200], output="rows.txt", name="many")
    assert list(map(int, Path("rows.txt").read_text().split())) == list(range(200))
    assert result.failed_items == []
    assert result.mini_batches["failed"] == 0
    log = (result.run_directory / "steps" / result.name / "logs" / "job_result.txt").read_text()
    assert "at most 25 rows in a mini-batch would have worked" in " ".join(log.split())


@parallel(
    mini_batch_size=100,
    max_concurrency_per_instance=1,
    max_retries=0,
    isolate_failed_items=True,
    error_threshold=1,
)
def picky(rows: pd.DataFrame) -> list[int]:
    bad = {17, 18, 19}
    assert not bad & set(rows["row"])
    return rows["row"].tolist()


def test_thresholds_are_of_failed_rows(folder: Path) -> None:
    message = "items failed, more than error_threshold: 1"
    assert picky.debug(ROWS, item=16, pdb=False) == [16]
    with pytest.raises(AssertionError):
        picky.debug(ROWS, mini_batch=0, item=17, pdb=False)
    with pytest.raises(InvalidInput, match="mini-batch 1 has no item 100"):
        picky.debug(ROWS, mini_batch=1, item=100, pdb=False)
    with pytest.raises(ParallelFailed, match=message) as caught:
        picky(ROWS[:300], output="rows.txt", name="picky")
    result = caught.value.result
    assert [(each["item"], each["alone"]) for each in result.failed_items][:2] == [
        (17, True), (18, True),
    ]  # fmt: skip
