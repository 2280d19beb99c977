"""Nodes on which `init` never succeeds."""

from __future__ import annotations

from typing import Any

import pytest

from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.report import write_report
from tests.e2e.conftest import Pipeline
from tests.waiting import wait_until

FILES = 24

SCRIPT = """
    import os, time
    from pathlib import Path
    from azureml_user.parallel_run import EntryScript

    fails = EntryScript().node_id in BROKEN

    def init():
        if fails and FAULT == "init":
            raise OSError("no model on " + EntryScript().node_id)

    def run(mini_batch):
        if fails:
            with open("/dev/full", "w") as file:
                file.write("x")
        # A node that works must leave something to do for the other one, which may be slower.
        while " is left out: " not in Path("../logs/sys/job.txt").read_text():
            time.sleep(0.05)
        return [os.path.basename(path) for path in mini_batch]
"""


def broken_on(*nodes: str, fault: str) -> str:
    return SCRIPT.replace("BROKEN", repr(nodes)).replace("FAULT", repr(fault))


def test_a_node_on_which_init_never_succeeds_is_left_out(pipeline: Any) -> None:
    script = broken_on("node-1", fault="init")
    it: Pipeline = pipeline(script, files=FILES, resources={"instance_count": 2})
    said = it.call()
    assert said.count(" is left out: ") == 1
    assert "warning  step: node-1 is left out: the entry script failed before" in said
    assert "times on node-1: OSError: no model on node-1 (full traceback: " in said
    assert it.output.read_text().split() == [f"{number:03d}.txt" for number in range(FILES)]
    assert it.result["mini_batches"] == {
        "total": FILES,
        "succeeded": FILES,
        "failed": 0,
        "retried": 0,
    }
    assert it.result["nodes"] == 1
    [warning] = it.result["warnings"]
    assert warning.startswith("node-1 is left out: the entry script failed before its first")
    assert warning in (it.step / "logs" / "sys" / "job.txt").read_text()
    page = write_report(RunDirectory(it.folder / "runs" / "run")).read_text()
    assert "node-1 is left out: the entry script failed" in page
    wait_until(lambda: it.left_over() == [])


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_step_fails_when_init_succeeds_on_no_node(pipeline: Any, nodes: int) -> None:
    script = broken_on("node-0", "node-1", fault="init")
    it: Pipeline = pipeline(script, files=FILES, resources={"instance_count": nodes})
    said = it.call(expect="Failed")
    assert said.count(" is left out: ") == nodes - 1
    assert it.result["status"] == "Failed"
    assert "the entry script failed before its first mini-batch" in it.result["reason"]
    assert "OSError: no model on node-" in it.result["reason"]
    wait_until(lambda: it.left_over() == [])


def test_a_node_whose_disk_is_full_is_left_out(pipeline: Any) -> None:
    script = broken_on("node-1", fault="disk")
    it: Pipeline = pipeline(script, files=FILES, resources={"instance_count": 2})
    said = it.run()
    assert said.count(" is left out: ") == 1
    cause = "attempts in a row failed on node-1 (no space left on device): OSError: [Errno 28]"
    [warning] = it.result["warnings"]
    assert warning.startswith("node-1 is left out: ")
    assert cause in warning
    assert it.output.read_text().split() == [f"{number:03d}.txt" for number in range(FILES)]
    counts = {"total": FILES, "succeeded": FILES, "failed": 0, "retried": 0}
    assert it.result["mini_batches"] == counts
    page = write_report(RunDirectory(it.folder / "runs" / "run")).read_text()
    assert "attempts in a row failed on node-1 (no space left on device)" in page
    assert it.left_over() == []


def test_a_step_fails_when_the_disks_of_all_nodes_are_full(pipeline: Any) -> None:
    script = broken_on("node-0", "node-1", fault="disk")
    it: Pipeline = pipeline(script, files=FILES, resources={"instance_count": 2})
    said = it.run(expect=1)
    assert said.count(" is left out: ") == 1
    assert it.result["reason"].count("No space left on device") == 1
    assert it.result["mini_batches"]["failed"] == 0
    assert it.left_over() == []
