"""A pipeline whose entry processes are replaced in time, or killed for their memory."""

from __future__ import annotations

from typing import Any

from tests.e2e.conftest import Pipeline
from tests.waiting import wait_until


def test_processes_are_replaced_and_their_memory_is_limited(pipeline: Any) -> None:
    it: Pipeline = pipeline(
        """
        import os, time
        def run(mini_batch):
            name = os.path.basename(mini_batch[0])
            if name == "002.txt":
                kept = b"x" * (600 << 20)
                time.sleep(60)
            return [name]
        def shutdown(): print("shutdown")
        """,
        arguments="--max_process_memory 300mb --max_mini_batches_per_process 1",
    )
    it.call()
    assert it.output.read_text() == "000.txt\n001.txt\n003.txt\n"
    assert it.said() == "shutdown\n" * 3
    cause = "out of memory during run(): it used"
    failed = (it.step / "logs/failed_mini_batches.jsonl").read_text()
    assert cause in failed
    assert "(max_process_memory: 300mb)" in failed
    report = (it.folder / "runs/run/logs/report.html").read_text()
    table = report[report.index("<h3>Processes by memory</h3>") :].split("</table>")[0]
    first, *others = table.split("<tbody>")[1].strip().split("\n")
    assert cause in first
    assert len(others) == 4
    assert sum("(max_mini_batches_per_process: 1)" in line for line in others) == 3
    wait_until(lambda: it.left_over() == [])
