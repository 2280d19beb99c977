"""A random mix of all faults; afterwards each item is in the output once, or known as failed.

For longer: `pytest tests/e2e/test_chaos.py --seed 7 --hours 2`.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import psutil
import pytest
from distributed import Client

from tests.e2e.conftest import Pipeline, nodes_of
from tests.waiting import wait_until

MINI_BATCHES = 100
SIZE = 4
ATTEMPTS = 3
FAULTS = ("raise", "short", "hang", "exit", "segv", "memory")
BAD_FILES = 8
DISTURBANCES = (signal.SIGKILL, signal.SIGTERM, "retire")

SCRIPT = """
    # What goes wrong is written down in faults.json: mini-batch -> attempt -> fault, and
    # file -> fault.
    import ctypes, json, os, resource, time
    from pathlib import Path
    from azureml_user.parallel_run import EntryScript

    PLACE = Path(os.environ["PLACE"])
    NODE = EntryScript().node_id

    def init():
        global faults, leaked
        faults, leaked = json.loads((PLACE / "faults.json").read_text()), []
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if NODE == "node-2" and faults["node-2"] == "init":
            raise OSError("no model")

    def run(mini_batch, context):
        if NODE == "node-2":
            with open("/dev/full", "w") as disk:
                disk.write("x")
        if NODE == "node-1":
            time.sleep(0.1)
        leaked.append(b"x" * (8 << 20))
        index = str(context.mini_batch_index)
        counter = PLACE / "calls" / index
        calls = counter.stat().st_size if counter.exists() else 0
        with counter.open("a") as file:
            file.write("x")
        names = [os.path.basename(path) for path in mini_batch]
        planned = faults["mini-batches"].get(index, [])
        fault = planned[min(calls, len(planned) - 1)] if planned else None
        returned = names[:1] if fault == "short" else names
        for name in names:
            if name in faults["files"]:
                fault = faults["files"][name]
                returned = [each for each in names if each != name]
        if fault == "raise":
            raise ValueError("chaos")
        if fault == "hang":
            while True:
                ctypes.PyDLL(None).sleep(600)  # Holds the interpreter until a signal comes.
        if fault == "exit":
            os._exit(3)
        if fault == "segv":
            ctypes.string_at(0)
        if fault == "memory":
            bytearray(1 << 31)
        return returned
"""


@dataclass
class Faults:
    """What goes wrong in a run.

    Attributes:
        mini_batches: Of every four mini-batches one has faults: mostly some that pass, sometimes
            for good.
        files: Files that fail for good, in other mini-batches.
        node: What is wrong with `node-2`.
        isolates: Whether the step isolates failed items.
        disturbance: What happens to a node: a signal, or it is retired.
    """

    mini_batches: dict[int, list[str | None]]
    files: dict[str, str]
    node: str
    isolates: bool
    disturbance: int | str

    @classmethod
    def plan(cls, dice: Random) -> Faults:
        mini_batches: dict[int, list[str | None]] = {}
        for index in range(MINI_BATCHES):
            if dice.random() < 0.25:
                passing = dice.random() < 0.8
                count = dice.randint(1, ATTEMPTS - 1) if passing else 1
                planned: list[str | None] = [dice.choice(FAULTS) for _ in range(count)]
                mini_batches[index] = [*planned, None] if passing else planned
        others = [index for index in range(MINI_BATCHES) if index not in mini_batches]
        bad = [dice.choice(names_of(index)) for index in dice.sample(others, BAD_FILES)]
        return cls(
            mini_batches,
            {name: FAULTS[number % len(FAULTS)] for number, name in enumerate(bad)},
            node=dice.choice(("init", "disk")),
            isolates=dice.random() < 0.75,
            disturbance=dice.choice(DISTURBANCES),
        )

    def write(self, place: Path) -> None:
        known = {"mini-batches": self.mini_batches, "files": self.files, "node-2": self.node}
        (place / "faults.json").write_text(json.dumps(known))

    def returned_for(self, index: int) -> list[str]:
        """What the output has of a mini-batch."""
        names = names_of(index)
        planned = self.mini_batches.get(index, [None])
        if None not in planned:
            if planned == ["short"]:
                return names if self.isolates else names[:1]
            return []
        bad = [name for name in names if name in self.files]
        if bad and not self.isolates and self.files[bad[0]] != "short":
            return []
        return [name for name in names if name not in bad]


def names_of(index: int) -> list[str]:
    return [f"{number:03d}.txt" for number in range(SIZE * index, SIZE * index + SIZE)]


def disturb(process: subprocess.Popen[str], it: Pipeline, faults: Faults, dice: Random) -> None:
    """Disturb a node, then kill the driver, each when a random share of the work is done."""

    def done() -> int:
        return len(it.committed())

    node_after = dice.randrange(5, MINI_BATCHES // 3)
    driver_after = dice.randrange(MINI_BATCHES // 3, MINI_BATCHES // 2)
    wait_until(lambda: done() >= node_after or process.poll() is not None, 600)
    with contextlib.suppress(psutil.NoSuchProcess):
        if isinstance(faults.disturbance, int):
            if running := nodes_of(process.pid):
                dice.choice(running).send_signal(faults.disturbance)
        else:
            retire_a_node(psutil.Process(process.pid), dice)
    wait_until(lambda: done() >= driver_after or process.poll() is not None, 600)
    process.kill()
    process.communicate()


def retire_a_node(driver: psutil.Process, dice: Random) -> None:
    """Have Dask retire a worker, as a cluster that shrinks does."""
    own = {each.laddr.port for each in driver.net_connections("tcp") if each.status == "LISTEN"}
    connections = [each for node in nodes_of(driver.pid) for each in node.net_connections("tcp")]
    [port] = own & {each.raddr.port for each in connections if each.raddr}
    with Client(f"tcp://127.0.0.1:{port}", timeout=60) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        named = [address for address, each in workers.items() if str(each["name"]) != "2"]
        client.retire_workers([dice.choice(named)])


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
                files=SIZE * MINI_BATCHES,
                mini_batch_size=str(SIZE),
                resources={"instance_count": 3},
                retry_settings={"max_retries": ATTEMPTS - 1, "timeout": 3},
            )
        run_one(it, place, Random(seed))
        it.step.parents[1].rename(tmp_path / f"run {seed}")
        seed += 1


def run_one(it: Pipeline, place: Path, dice: Random) -> None:
    faults = Faults.plan(dice)
    faults.write(place)
    arguments = "--max_process_memory 300mb --max_mini_batches_per_process 20"
    arguments += f" --isolate_failed_items {faults.isolates}"
    overrides = (
        *("--set", f"jobs.step.environment_variables.PLACE={place}"),
        *("--set", f"jobs.step.task.program_arguments={arguments}"),
    )
    process = it.start(*overrides)
    disturb(process, it, faults, dice)
    wait_until(lambda: it.left_over() == [])
    it.run("--resume", "run", *overrides)
    assert it.left_over() == []
    check(it, faults)


def check(it: Pipeline, faults: Faults) -> None:
    returned = {index: faults.returned_for(index) for index in range(MINI_BATCHES)}
    expected = [name for names in returned.values() for name in names]
    lines = it.output.read_text().splitlines()
    assert lines == expected, Counter(lines) - Counter(expected)

    failed = {each["mini_batch"]: each for each in listed(it, "failed_mini_batches.jsonl")}
    assert set(failed) == {index for index, names in returned.items() if len(names) < SIZE}
    missing = SIZE * MINI_BATCHES - len(expected)
    assert sum(each["failed_items"] for each in failed.values()) == missing
    if faults.isolates:
        items = listed(it, "failed_items.jsonl")
        found = [names_of(each["mini_batch"])[each["item"]] for each in items]
        assert found == sorted({name for index in failed for name in names_of(index)} - set(lines))

    result = it.result
    assert result["status"] == "Completed"
    assert result["mini_batches"]["total"] == MINI_BATCHES
    assert result["mini_batches"]["failed"] == len(failed)
    assert result["mini_batches"]["succeeded"] == MINI_BATCHES - len(failed)
    assert result["items"] == {
        "total": SIZE * MINI_BATCHES,
        "succeeded": len(expected),
        "failed": missing,
    }


def listed(it: Pipeline, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (it.step / "logs" / name).read_text().splitlines()]
