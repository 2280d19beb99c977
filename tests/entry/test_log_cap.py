"""Logs of scripts that print too much."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

from prefect_parallel.entry.log_cap import ALIGNMENT, HEAD_BYTES, MEBIBYTE, TAIL_BYTES, LogCap
from tests.entry.conftest import NodeFactory

LIMIT = HEAD_BYTES + TAIL_BYTES + ALIGNMENT
NOTE = re.compile(rb"\n\[\.\.\. (\d+) MiB removed: [^\n]* \.\.\.\]\n")


def test_head_and_tail_stay_and_what_was_dropped_is_said(node: NodeFactory) -> None:
    started = node(
        """
        def init(): print("the beginning")
        def run(mini_batch):
            for number in range(100):
                print("x" * 1024 * 1024)
            return mini_batch
        def shutdown(): print("the end")
        """,
        mini_batches=1,
    )
    record = started.pool.run(started.mini_batches[0], 1)
    started.pool.close()
    assert record.error is None
    logs = started.directory.process("node-0", "process000")
    text = logs.stdout.read_bytes()
    assert len(text) < LIMIT
    assert text.startswith(b"the beginning\nxxx")
    assert text.endswith(b"xxx\nthe end\n")
    notes = NOTE.findall(text)
    assert [len(text) // MEBIBYTE + int(dropped) for dropped in notes] == [100]
    assert not (started.directory.job_log).exists()


def test_what_is_new_in_a_log_whose_middle_was_removed(node: NodeFactory) -> None:
    started = node(
        f"""
        import os, time
        def run(mini_batch):
            if "000" in mini_batch[0]:
                for stream in (1, 2):
                    os.write(stream, b"x" * {LIMIT + 2 * MEBIBYTE} + b"\\nall is well\\n")
                return mini_batch
            while max(os.fstat(stream).st_size for stream in (1, 2)) >= {LIMIT}: time.sleep(0.05)
            os.write(1, b"second\\n")
            os.write(2, b"device lost\\n")
            os._exit(3)
        """,
        mini_batches=2,
    )
    first, second = [started.pool.run(mini_batch, 1) for mini_batch in started.mini_batches]
    assert first.error is None
    assert second.error == "the process ended during run(): exit code 3; stderr: device lost"
    text = started.pool.read_new_stdout(second, limit=100)
    assert text.endswith(" more bytes in logs/user/stdout/node-0/process000.stdout.txt]"), text
    size = LIMIT + 2 * MEBIBYTE + len("\nall is well\nsecond\n")
    assert f"[{size - 100} more bytes" in text
    assert started.pool.read_new_stdout(second, limit=100) == ""


def test_nothing_that_is_printed_meanwhile_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.touch()
    lines = 5_000_000
    cap = LogCap(tmp_path / "notes.txt", every=0.001)
    cap.watch([path])

    def write() -> None:
        with path.open("ab", buffering=0) as file:
            for start in range(0, lines, 1000):
                block = (b"%023d\n" % number for number in range(start, start + 1000))
                file.write(b"".join(block))

    writer = threading.Thread(target=write)
    writer.start()
    writer.join()
    cap.close()
    head, dropped, tail = NOTE.split(path.read_bytes())
    assert head == b"".join(b"%023d\n" % number for number in range(lines))[:HEAD_BYTES]
    first = tail.index(b"\n") + 1
    kept = [int(line) for line in tail[first:].splitlines()]
    assert kept == list(range(kept[0], lines))
    assert int(dropped) * MEBIBYTE + path.stat().st_size == lines * 24


def test_where_it_cannot_be_done_the_step_says_so(tmp_path: Path) -> None:
    path = Path("/dev/shm") / f"prefect-parallel-test-{os.getpid()}"
    notes = tmp_path / "job.txt"
    try:
        with path.open("wb") as file:
            file.truncate(LIMIT + ALIGNMENT)
        cap = LogCap(notes)
        cap.watch([path])
        cap.close()
        assert path.stat().st_size == LIMIT + ALIGNMENT
    finally:
        path.unlink()
    assert "logs is not limited" in notes.read_text()
    assert "Operation not supported" in notes.read_text()
