"""A few mini-batches first, then the rest."""

from __future__ import annotations

from typing import Any

from prefect_parallel.flow.run.selection import Selection
from tests.e2e.conftest import Pipeline

SCRIPT = """
    import os
    def run(mini_batch):
        print(os.path.basename(mini_batch[0])[:3])
        return [open(mini_batch[0]).read() or os.path.basename(mini_batch[0])[2]]
"""


def test_a_trial_then_more_then_the_rest(pipeline: Any) -> None:
    it: Pipeline = pipeline(SCRIPT, files=10)

    def output() -> str:
        return it.output.read_text().replace("\n", "")

    said = it.call(selection=Selection(sample=2))
    assert output() == "27"
    assert it.result["mini_batches"]["total"] == 2
    [warning] = it.result["warnings"]
    assert warning.startswith("this is a trial: 8 of 10 mini-batches are left out (--sample 2)")
    assert "warning  step: this is a trial" in said

    it.call(resume=True, selection=Selection(only="0,8-30"))
    assert output() == "02789"

    it.call(resume=True)
    assert output() == "0123456789"
    assert sorted(it.said().split()) == [f"{number:03d}" for number in range(10)]
    assert it.result["warnings"] == []

    # Neither what is no longer in the input, nor what has changed and is not selected.
    (it.folder / "data" / "009.txt").unlink()
    it.call(resume=True)
    assert output() == "012345678"
    (it.folder / "data" / "005.txt").write_text("new")
    it.run("--resume", "run", "--first", "2")
    assert output() == "01234678"

    said = it.run("--resume", "run", "--only", "9", expect=1)
    assert "--only 9 selects no mini-batch; there are 9, with indexes from 0" in said
    said = it.run("--resume", "run", "--only", "9", "--first", "1", expect=2)
    assert "allowed: one of first, sample, only" in said
