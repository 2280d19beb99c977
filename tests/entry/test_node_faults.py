"""Faults of a node, such as a full disk: its attempts do not count, and the node is left out."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil
import pytest

from prefect_parallel.entry.node_faults import UnusableNode
from prefect_parallel.output.part import read_record
from tests.entry.conftest import Node, NodeFactory
from tests.waiting import wait_until

SCRIPT = """
    import os
    from pathlib import Path

    def run(mini_batch):
        name = os.path.basename(mini_batch[0])
        with open("tries", "a") as tries:
            print(name, file=tries)
        if FAILS:
            FAULT
        return mini_batch

    def fill_the_disk():
        with open("/dev/full", "w") as file:
            file.write("x")

    def wrapped():
        try:
            fill_the_disk()
        except OSError as error:
            raise ValueError("the image is not saved") from error
"""


def broken(fault: str, fails: str = "True") -> str:
    return SCRIPT.replace("FAILS", fails).replace("FAULT", fault)


def tries(node: Node) -> int:
    return len((node.directory.root.parent / "code" / "tries").read_text().splitlines())


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("fill_the_disk()", "(no space left on device): OSError: [Errno 28] No space left on"),
        ("wrapped()", "(no space left on device): ValueError: the image is not saved"),
        ("raise OSError(30, 'Read-only file system')", "(read-only file system): OSError: [Errno"),
        (
            "raise RuntimeError('CUDA error: uncorrectable ECC error encountered')",
            "(lost GPU): RuntimeError: CUDA error: uncorrectable ECC error encountered",
        ),
    ],
)
def test_a_node_with_a_fault_is_given_up(node: NodeFactory, fault: str, said: str) -> None:
    started = node(broken(fault))
    with pytest.raises(UnusableNode) as caught:
        started.pool.run(started.mini_batches[0], 1)
    assert f"3 attempts in a row failed on node-0 {said}" in str(caught.value)
    assert tries(started) == 3
    assert read_record(started.directory.part(0)) is None
    log = (started.directory.root / caught.value.traceback_file).read_text()
    assert log.count("mini-batch 0, attempt 1 (2 files, first item 000.txt): ") == 3


def is_spawner(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "prefect_parallel.entry.spawner_main" in process.cmdline()
    return False


def test_a_node_that_is_ended_from_outside_is_given_up(node: NodeFactory) -> None:
    started = node("""
        import time
        def run(mini_batch):
            open("started", "w").close()
            time.sleep(600)
    """)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(started.pool.run, started.mini_batches[0], 1)
        wait_until((started.directory.root.parent / "code" / "started").exists)
        # As Slurm does at the end of a job: it signals all processes, in any order.
        (spawner,) = [child for child in psutil.Process().children() if is_spawner(child)]
        spawner.terminate()
        with pytest.raises(UnusableNode, match="entry processes on node-0 was killed"):
            running.result(timeout=240)
    assert read_record(started.directory.part(0)) is None
    with pytest.raises(UnusableNode, match="entry processes on node-0 was killed"):
        started.pool.run(started.mini_batches[1], 1)


def test_a_fault_that_passes_costs_no_attempt(node: NodeFactory) -> None:
    passing = "len(Path('tries').read_text().splitlines()) in (1, 2, 4, 5)"
    started = node(broken("fill_the_disk()", passing))
    records = [started.pool.run(mini_batch, 1) for mini_batch in started.mini_batches]
    assert [(each.error, each.attempt) for each in records] == [(None, 1)] * len(records)
    assert tries(started) == len(records) + 4


def test_a_mini_batch_that_fails_while_others_succeed_is_to_blame(node: NodeFactory) -> None:
    # The other slot has run one when it runs a second one.
    wait = "count = calls()\n            while calls() < count + 2: pass\n            "
    script = broken(wait + "fill_the_disk()", "name == 'item 000.txt'")
    script += "\n    def calls(): return len(Path('tries').read_text().splitlines())"
    started = node(script, mini_batches=2, slots=2)
    bad, good = started.mini_batches
    ended = threading.Event()

    def run_others() -> None:
        while not ended.is_set():
            started.directory.part(good.index).unlink(missing_ok=True)
            started.pool.run(good, 1)

    others = threading.Thread(target=run_others)
    others.start()
    record = started.pool.run(bad, 1)
    ended.set()
    others.join()
    assert record.error is not None
    assert "No space left on device" in record.error
    assert (record.attempt, read_record(started.directory.part(bad.index))) == (1, record)


def test_items_are_not_blamed_for_a_fault(node: NodeFactory) -> None:
    script = broken("fill_the_disk()", "len(mini_batch) < 4")
    script = script.replace("return mini_batch", "raise ValueError('a bad mini-batch')")
    started = node(script, mini_batches=1, size=4, isolates_failed_items=True)
    [mini_batch] = started.mini_batches
    record = started.pool.run(mini_batch, 1)
    with pytest.raises(UnusableNode, match="no space left on device"):
        started.pool.isolate(mini_batch, record)
    assert read_record(started.directory.part(0)) == record
