"""`max_mini_batches_per_process` and `max_process_memory`: processes that are replaced in time."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.entry.conftest import Node, NodeFactory

MEGABYTE = 1024**2

SCRIPT = """
    import os, sys, time
    kept = [b"x" * (int(sys.argv[2]) << 20)]
    def init(): print("init")
    def run(mini_batch):
        kept.append(b"x" * (int(sys.argv[1]) << 20))
        print("run")
        return mini_batch
    def shutdown(): print("shutdown")
"""


def said(node: Node) -> list[str]:
    """What each process printed, in one line each."""
    files = sorted((node.directory.user / "stdout" / "node-0").iterdir())
    return [" ".join(file.read_text().split()) for file in files]


def ends(node: Node) -> list[dict[str, str]]:
    with node.directory.process_ends("node-0").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_process_runs_so_many_mini_batches(node: NodeFactory) -> None:
    started = node(SCRIPT, mini_batches=5, arguments=("0", "0"), max_mini_batches_per_process=2)
    records = [started.pool.run(mini_batch, 1) for mini_batch in started.mini_batches]
    started.pool.close()
    assert [record.error for record in records] == [None] * 5
    assert said(started) == [
        "init run run shutdown",
        "init run run shutdown",
        "init run shutdown",
    ]
    assert [(end["mini_batches"], end["reason"]) for end in ends(started)] == [
        ("2", "replaced (max_mini_batches_per_process: 2)"),
        ("2", "replaced (max_mini_batches_per_process: 2)"),
        ("1", ""),
    ]


def test_a_process_that_leaks_is_replaced_before_it_reaches_the_limit(node: NodeFactory) -> None:
    started = node(SCRIPT, mini_batches=8, arguments=("50", "0"), max_process_memory=400 * MEGABYTE)
    records = [started.pool.run(mini_batch, 1) for mini_batch in started.mini_batches]
    started.pool.close()
    assert [record.error for record in records] == [None] * 8
    assert 2 <= len(said(started)) <= 4
    assert all(each.startswith("init run") and each.endswith("shutdown") for each in said(started))
    assert "replaced at" in ends(started)[0]["reason"]
    for end in ends(started):
        assert 50 * MEGABYTE < int(end["peak_memory_bytes"]) < 400 * MEGABYTE


def test_memory_that_init_needs_is_no_reason_to_replace_a_process(node: NodeFactory) -> None:
    started = node(SCRIPT, arguments=("1", "300"), max_process_memory=400 * MEGABYTE)
    records = [started.pool.run(mini_batch, 1) for mini_batch in started.mini_batches]
    assert [record.error for record in records] == [None] * 3
    assert said(started) == ["init run run run"]


@pytest.mark.parametrize("phase", ["run", "init"])
def test_a_process_that_exceeds_the_limit_is_out_of_memory(
    node: NodeFactory, tmp_path: Path, phase: str
) -> None:
    first = tmp_path / "first"
    started = node(
        f"""
        import os, time
        def fill(phase):
            if phase == {phase!r} and not os.path.exists({str(first)!r}):
                open({str(first)!r}, "w").close()
                kept = b"x" * (600 << 20)
                time.sleep(60)
        def init(): fill("init")
        def run(mini_batch):
            fill("run")
            return mini_batch
        """,
        mini_batches=1,
        max_process_memory=300 * MEGABYTE,
    )
    record = started.pool.run(started.mini_batches[0], 1)
    if phase == "init":
        assert record.error is None
        errors = (started.directory.error_summary).read_text()
        assert "out of memory during init(): it used" in errors
        return
    assert record.error is not None
    assert record.error.startswith("out of memory during run(): it used")
    assert "SIGKILL" not in record.error
    assert started.pool.run(started.mini_batches[0], 2).error is None
    assert "out of memory" in ends(started)[0]["reason"]
