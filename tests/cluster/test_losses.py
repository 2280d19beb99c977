"""Everything that a step can lose while it runs: results, nodes, connections, the scheduler."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.cluster import paused_driver
from tests.e2e.conftest import Pipeline, nodes_of, write_pipeline
from tests.waiting import wait_until

NAMES = """
    import os
    def init(): pass
    def run(mini_batch):
        name = os.path.basename(mini_batch[0])
        with open(os.path.join(CALLS, name), "a") as file:
            file.write("x")
        if name in FAILING:
            raise ValueError("never works")
        return [name]
"""


def write(
    root: Path, server: str, *, files: int, failing: tuple[str, ...] = (), **keys: Any
) -> Pipeline:
    """A step over files; each call for one adds a byte to `calls/NAME`."""
    calls = root / "calls"
    calls.mkdir()
    script = NAMES.replace("CALLS", repr(str(calls))).replace("FAILING", repr(failing))
    return write_pipeline(root, server, script, files=files, **keys)


def calls(root: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted((root / "calls").iterdir())}


def start_paused(it: Pipeline, folder: Path, status: str) -> subprocess.Popen[str]:
    """Start the command with a driver that notices the first end of a task run at a status."""
    command = [sys.executable, paused_driver.__file__, str(folder), status]
    return subprocess.Popen(
        [*command, "run", str(it.file), "--name", "run"],
        cwd=it.folder,
        env=it.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], *, expect: int = 0) -> str:
    said, _ = process.communicate(timeout=120)
    assert process.returncode == expect, said
    return said


def test_a_result_that_is_lost_with_its_node(tmp_path: Path, server: str) -> None:
    failing = ("000.txt", "001.txt", "002.txt")
    retries = {"max_retries": 1, "timeout": 30}
    it = write(tmp_path, server, files=8, failing=failing, retry_settings=retries)
    process = start_paused(it, tmp_path, "lost")
    wait_until((tmp_path / "ended").exists)
    parts = it.step / "parts"
    wait_until(lambda: len(list(parts.glob("*.part"))) == 8)
    [node] = nodes_of(process.pid)
    node.kill()
    finish(process)
    assert it.output.read_text().split() == [f"{number:03d}.txt" for number in range(3, 8)]
    assert it.result["mini_batches"] == {"total": 8, "succeeded": 5, "failed": 3, "retried": 3}
    assert calls(tmp_path) == {f"{number:03d}.txt": 1 + (number < 3) for number in range(8)}
