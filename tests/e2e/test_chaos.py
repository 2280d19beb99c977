"""A random mix of all faults; afterwards each item is in the output once, or known as failed.

For longer: `pytest tests/e2e/test_chaos.py --seed 7 --hours 2`.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.conftest import Pipeline, nodes_of
from tests.waiting import wait_until

MINI_BATCHES = 150
ATTEMPTS = 3
FAULTS = ("raise", "short", "hang", "exit", "segv", "memory")

SCRIPT = """
    # What goes wrong is written down in faults.json: mini-batch -> attempt -> fault.
    import ctypes, json, os, resource
    from pathlib import Path

    PLACE = Path(os.environ["PLACE"])

    def init():
        global faults
        faults = json.loads((PLACE / "faults.json").read_text())
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def run(mini_batch, context):
        counter = PLACE / "calls" / str(context.mini_batch_index)
        calls = counter.stat().st_size if counter.exists() else 0
        with counter.open("a") as file:
            file.write("x")
        names = [os.path.basename(path) for path in mini_batch]
        planned = faults.get(str(context.mini_batch_index), [])
        fault = planned[min(calls, len(planned) - 1)] if planned else None
        if fault == "raise":
            raise ValueError("chaos")
        if fault == "short":
            return names[:1]
        if fault == "hang":
            ctypes.PyDLL(None).sleep(600)  # Holds the interpreter, as C code may.
        if fault == "exit":
            os._exit(3)
        if fault == "segv":
            ctypes.string_at(0)
        if fault == "memory":
            bytearray(1 << 31)
        return names
"""


def plan_faults(dice: random.Random) -> dict[str, list[str | None]]:
    """Of every four mini-batches one has faults: mostly some that pass, sometimes for good."""
    faults: dict[str, list[str | None]] = {}
    for index in range(MINI_BATCHES):
        if dice.random() < 0.25:
            passing = dice.random() < 0.8
            count = dice.randint(1, ATTEMPTS - 1) if passing else 1
            planned: list[str | None] = [dice.choice(FAULTS) for _ in range(count)]
            faults[str(index)] = [*planned, None] if passing else planned
    return faults


def disturb(process: subprocess.Popen[str], it: Pipeline, dice: random.Random) -> None:
    """Kill a node, then the driver, each when a random share of the work is done."""
    parts = it.step / "parts"

    def done() -> int:
        return len(list(parts.glob("*.part"))) if parts.exists() else 0

    node_after = dice.randrange(5, MINI_BATCHES // 3)
    driver_after = dice.randrange(MINI_BATCHES // 3, MINI_BATCHES // 2)
    wait_until(lambda: done() >= node_after or process.poll() is not None)
    with contextlib.suppress(psutil.NoSuchProcess):
        if running := nodes_of(process.pid):
            dice.choice(running).kill()
    wait_until(lambda: done() >= driver_after or process.poll() is not None)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def test_chaos(pipeline: Any, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    seed = request.config.getoption("--seed")
    until = time.monotonic() + request.config.getoption("--hours") * 3600
    it: Pipeline | None = None
    while it is None or time.monotonic() < until:
        print(f"seed {seed}")
        place = tmp_path / str(seed)
        (place / "calls").mkdir(parents=True)
        if it is None:
            it = pipeline(
                SCRIPT,
                files=2 * MINI_BATCHES,
                mini_batch_size="2",
                resources={"instance_count": 2},
                retry_settings={"max_retries": ATTEMPTS - 1, "timeout": 1},
            )
        run_one(it, place, random.Random(seed))
        it.step.parents[1].rename(tmp_path / f"run {seed}")
        seed += 1


def run_one(it: Pipeline, place: Path, dice: random.Random) -> None:
    faults = plan_faults(dice)
    (place / "faults.json").write_text(json.dumps(faults))
    overrides = ("--set", f"jobs.step.environment_variables.PLACE={place}")
    process = it.start(*overrides)
    disturb(process, it, dice)
    wait_until(lambda: it.left_over() == [], seconds=5)
    it.run("--resume", "run", *overrides)
    assert it.left_over() == []
    check(it, faults)


def check(it: Pipeline, faults: dict[str, list[str | None]]) -> None:
    lines = it.output.read_text().splitlines()
    listed = (it.step / "logs" / "failed_mini_batches.jsonl").read_text().splitlines()
    failed = {each["mini_batch"]: each for each in map(json.loads, listed)}
    doomed = {int(index) for index, planned in faults.items() if None not in planned}
    assert set(failed) == doomed
    expected = []
    for index in range(MINI_BATCHES):
        names = [f"{2 * index:03d}.txt", f"{2 * index + 1:03d}.txt"]
        if index not in doomed:
            expected += names
        elif faults[str(index)] == ["short"]:
            expected += names[:1]
    assert lines == expected, Counter(lines) - Counter(expected)
    result = it.result
    items = result["items"]
    assert result["status"] == "Completed"
    assert result["mini_batches"]["total"] == MINI_BATCHES
    assert result["mini_batches"]["failed"] == len(doomed)
    assert result["mini_batches"]["succeeded"] == MINI_BATCHES - len(doomed)
    assert items["total"] == 2 * MINI_BATCHES
    assert items["succeeded"] == len(expected)
    assert items["failed"] == 2 * MINI_BATCHES - len(expected)
    assert sum(each["failed_items"] for each in failed.values()) == items["failed"]
