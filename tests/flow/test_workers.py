"""Workers of a prepared run, each a real process: claims, killed and suspended workers, ends."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from prefect_parallel.data import MiniBatch
from prefect_parallel.flow.nodes.retry_delays import RetryDelays
from prefect_parallel.flow.nodes.thresholds import Thresholds
from prefect_parallel.flow.workers.leases import Leases, running_workers
from prefect_parallel.flow.workers.prepared_step import PreparedStep
from prefect_parallel.flow.workers.worker import GRACE_SECONDS
from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.part import Record, open_part, write_part
from tests.e2e.conftest import interrupt
from tests.entry.conftest import written_step
from tests.waiting import wait_until


@dataclass
class Prepared:
    """A run with one prepared step."""

    root: Path
    step: PreparedStep
    mini_batches: list[MiniBatch]
    workers: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *options: str, lease_seconds: float = 1) -> subprocess.Popen[str]:
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "prefect_parallel.cli", "work", str(self.root)),
                *("--lease-seconds", str(lease_seconds), *options),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.workers.append(worker)
        return worker

    def work(self, *options: str, expect: int = 0) -> str:
        worker = self.start(*options)
        said, _ = worker.communicate(timeout=480)
        assert worker.returncode == expect, said
        return said

    def calls(self) -> int:
        """How often `run` was called."""
        return sum(file.stat().st_size for file in (self.root / "calls").iterdir())

    def records(self) -> list[Record | None]:
        return [self.step.final(mini_batch) for mini_batch in self.mini_batches]

    def payloads(self) -> list[list[str]]:
        """What each mini-batch returned."""
        found = []
        for mini_batch in self.mini_batches:
            part = open_part(self.step.directory.part(mini_batch.index))
            assert part is not None
            with part[1] as file:
                found.append(file.read().decode().splitlines())
        return found


Factory = Callable[..., Prepared]


@pytest.fixture
def prepared(tmp_path: Path) -> Iterator[Factory]:
    """Factory of prepared runs: `prepared(script, mini_batches=3, max_retries=1, timeout=1)`."""
    made: list[Prepared] = []

    def prepare(
        script: str, *, max_retries: int = 0, inputs: tuple[str, ...] = (), **settings: Any
    ) -> Prepared:
        root = tmp_path / "a run, 'quoted' ü"
        (root / "calls").mkdir(parents=True)
        RunDirectory(root).job_file.touch()
        variables = {"CALLS": str(root / "calls")}
        config, mini_batches = written_step(
            root, script, step="steps/step", environment_variables=variables, **settings
        )
        step = PreparedStep(
            config=config,
            datastores=(),
            inputs=inputs,
            slots=config.slots,
            max_retries=max_retries,
            delays=RetryDelays((), 1, 0),
            thresholds=Thresholds(3, -1, 100),
            unit="files",
            planned=len(mini_batches),
            mini_batches=len(mini_batches),
        )
        step.write(mini_batches)
        made.append(Prepared(root, step, mini_batches))
        return made[-1]

    yield prepare
    for each in made:
        for worker in each.workers:
            worker.kill()
            worker.wait()


FAULTY = """
    # The faults of each mini-batch, one for each call; the last one for all that follow.
    import ctypes, json, os, time
    from pathlib import Path

    CALLS = Path(os.environ["CALLS"])
    FAULTS = json.loads((CALLS.parent / "faults.json").read_text())

    def run(mini_batch, context):
        counter = CALLS / str(context.mini_batch_index)
        calls = counter.stat().st_size if counter.exists() else 0
        with counter.open("a") as file:
            file.write("x")
        time.sleep(0.02)
        faults = FAULTS.get(str(context.mini_batch_index), [None])
        fault = faults[min(calls, len(faults) - 1)]
        if fault == "raise":
            raise ValueError("chaos")
        if fault == "exit":
            os._exit(3)
        if fault == "segv":
            ctypes.string_at(0)
        return [os.path.basename(path) for path in mini_batch]
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_workers_that_are_killed_and_suspended_at_random(prepared: Factory, seed: int) -> None:
    dice = random.Random(seed)
    it = prepared(FAULTY, mini_batches=40, max_retries=2, slots=2)
    doomed = set(dice.sample(range(40), 2))
    passing = set(dice.sample(sorted(set(range(40)) - doomed), 8))
    faults: dict[int, list[str | None]] = {index: ["raise"] for index in doomed}
    for index in passing:
        faults[index] = [*dice.choices(["raise", "exit", "segv"], k=dice.randint(1, 2)), None]
    (it.root / "faults.json").write_text(json.dumps(faults))

    alive = [it.start() for _ in range(3)]
    suspended = []
    for calls in sorted(dice.sample(range(2, 45), 4)):
        wait_until(lambda calls=calls: it.calls() >= calls)
        worker = alive.pop(dice.randrange(len(alive)))
        if dice.random() < 0.3:
            worker.send_signal(signal.SIGSTOP)
            suspended.append(worker)
        else:
            worker.kill()
        if len(alive) < 2:
            alive.append(it.start())
    for worker in alive:
        said, _ = worker.communicate(timeout=480)
        assert worker.returncode == 0, said
    before = it.payloads()
    for worker in suspended:
        worker.send_signal(signal.SIGCONT)
        worker.communicate(timeout=480)

    records = it.records()
    assert None not in records
    assert {each.index for each in records if each and each.error is not None} == doomed
    expected = [
        [f"item {2 * index:03d}.txt", f"item {2 * index + 1:03d}.txt"] for index in range(40)
    ]
    assert it.payloads() == [
        [] if index in doomed else names for index, names in enumerate(expected)
    ]
    assert before == it.payloads()


HANGS_ONCE = """
    import os, time
    from pathlib import Path

    FIRST = Path(os.environ["CALLS"], "first")

    def run(mini_batch):
        if not FIRST.exists():
            FIRST.write_text("x")
            time.sleep(600)
        return mini_batch
"""


FAILS_LATE = HANGS_ONCE.replace(
    "time.sleep(600)",
    "while not FIRST.with_name('go').exists(): time.sleep(0.05)\n            raise ValueError",
)


def test_a_failure_of_a_worker_that_was_suspended_does_not_replace_a_success(
    prepared: Factory,
) -> None:
    it = prepared(FAILS_LATE, mini_batches=1)
    late = it.start()
    wait_until(lambda: it.calls() == 1)
    late.send_signal(signal.SIGSTOP)
    it.work()
    (it.root / "calls" / "go").touch()
    late.send_signal(signal.SIGCONT)
    said, _ = late.communicate(timeout=480)
    assert (late.returncode, said.count("failed")) == (0, 0), said
    (record,) = it.records()
    assert record is not None
    assert record.error is None


def test_a_worker_that_is_told_to_end_frees_its_claims_at_once(prepared: Factory) -> None:
    it = prepared(HANGS_ONCE, mini_batches=2)
    stopped = it.start(lease_seconds=600)
    wait_until(lambda: it.calls() == 1)
    assert len(running_workers(RunDirectory(it.root).workers)) == 1
    stopped.terminate()
    said, _ = stopped.communicate(timeout=480)
    assert stopped.returncode == 1
    assert said.startswith("stopping  running mini-batches have 5 s to finish\n")
    assert said.endswith("ran 0 mini-batches, stopped\n")
    assert "ran 2 mini-batches, all are done" in it.work()
    assert list(RunDirectory(it.root).workers.iterdir()) == []
    assert list(it.step.directory.parts.glob("*.lease")) == []


def test_ctrl_c_twice_ends_a_worker_at_once(prepared: Factory) -> None:
    it = prepared(HANGS_ONCE, mini_batches=2)
    stopped = it.start(lease_seconds=600)
    wait_until(lambda: it.calls() == 1)
    said = interrupt(stopped, until="press Ctrl-C again to stop at once\n")
    assert said.startswith("stopping  running mini-batches have 5 s to finish;")
    pressed = time.monotonic()
    stopped.send_signal(signal.SIGINT)
    said, _ = stopped.communicate(timeout=480)
    assert time.monotonic() - pressed < GRACE_SECONDS / 2
    assert (stopped.returncode, said) == (1, "stopped  at once\n")
    assert "ran 2 mini-batches, all are done" in it.work()


def test_a_worker_that_waits_for_others_ends_when_the_step_is_finished(prepared: Factory) -> None:
    it = prepared(HANGS_ONCE, mini_batches=1)
    it.start(lease_seconds=600)
    wait_until(lambda: it.calls() == 1)
    waiting = it.start()
    # It has read what there is to do once it has a process that starts others.
    wait_until(psutil.Process(waiting.pid).children)
    it.step.directory.work.unlink()
    said, _ = waiting.communicate(timeout=480)
    assert (waiting.returncode, said.count("ran 0 mini-batches, all are done")) == (0, 1), said


@pytest.mark.parametrize(
    ("script", "settings", "error"),
    [
        ("def init(): 1 / 0\ndef run(mini_batch): pass", {}, "failed before its first mini-batch"),
        ("def run(mini_batch): 1 / 0", {"mini_batches": 5}, "4 mini-batches failed, more than"),
        ("def run(mini_batch): pass", {"inputs": ("/no/such",)}, "does not see the input /no/such"),
    ],
)
def test_a_worker_that_cannot_go_on(
    prepared: Factory, script: str, settings: dict[str, Any], error: str
) -> None:
    it = prepared(script, **settings)
    assert error in it.work(expect=1)
    assert list(RunDirectory(it.root).workers.iterdir()) == []
    assert list(it.step.directory.parts.glob("*.lease")) == []


def test_leases(tmp_path: Path) -> None:
    workers, lease = tmp_path / "workers", tmp_path / "000000.lease"
    first, other = Leases(workers, "first", 600), Leases(workers, "other", 600)
    assert first.claim(lease)
    assert not first.claim(lease)
    assert not other.claim(lease)
    other.release(lease)
    assert not other.claim(lease)
    assert running_workers(workers) == ["first", "other"]
    # The clock of the file system says that `first` has been silent for too long.
    long_ago = time.time() - 601
    os.utime(workers / "first", (long_ago, long_ago))
    assert running_workers(workers) == ["other"]
    assert other.claim(lease)
    first.release(lease)
    assert not first.claim(lease)
    other.release(lease)
    assert first.claim(lease)
    first.close()
    assert other.claim(lease)
    other.close()
    assert [*workers.iterdir()] == []
    assert [*tmp_path.glob(".*")] == []


def test_failed_items_are_isolated_also_those_that_a_worker_has_left(prepared: Factory) -> None:
    script = """
        import os
        def run(mini_batch):
            names = [os.path.basename(path) for path in mini_batch]
            assert "item 002.txt" not in names
            return names
    """
    it = prepared(script, mini_batches=1, size=4, isolates_failed_items=True)
    it.work()
    [first] = it.records()
    assert first is not None
    assert first.isolated is not None
    assert [each.start for each in first.isolated.failed] == [2]
    # Killed after the last attempt.
    [mini_batch] = it.mini_batches
    write_part(it.step.directory.part(0), replace(first, isolated=None, succeeded=0))
    assert it.step.final(mini_batch) is None
    it.work()
    [second] = it.records()
    assert second is not None
    assert second.isolated is not None
    assert second.isolated.failed[0].start == 2
    assert it.payloads() == [["item 000.txt", "item 001.txt", "item 003.txt"]]
