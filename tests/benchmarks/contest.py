"""Ways to do the same work, by turns, each in a process of its own: wall time, CPU and memory."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import psutil

from tests.benchmarks.measure import SAMPLE_SECONDS, table


@dataclass(frozen=True)
class Measured:
    """One way, run once.

    Attributes:
        seconds: Wall time.
        cpu: Seconds that it and its processes computed, without those of the Prefect server.
        peak: Bytes that the largest process below it held.
    """

    seconds: float
    cpu: float
    peak: int


class Sampler(threading.Thread):
    """Looks at this process and all below it, while they run."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self.ended = threading.Event()
        self._cpu: dict[tuple[int, float], float] = {}

    @property
    def cpu(self) -> float:
        return sum(self._cpu.values())

    def run(self) -> None:
        this = psutil.Process()
        while not self.ended.wait(SAMPLE_SECONDS):
            for process in [this, *this.children(recursive=True)]:
                try:
                    times = process.cpu_times()
                    self._cpu[process.pid, process.create_time()] = times.user + times.system
                    if process != this:
                        self.peak = max(self.peak, process.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue


def compete(commands: Mapping[str, Sequence[str]], repeat: int) -> dict[str, Measured]:
    """Run the commands by turns; the fastest run of each. A command ends with `report(...)`."""
    best: dict[str, Measured] = {}
    for _ in range(repeat):
        for way, command in commands.items():
            done = subprocess.run(
                [sys.executable, *command], check=True, stdout=subprocess.PIPE, text=True
            )
            measured = Measured(**json.loads(done.stdout.splitlines()[-1]))
            print(f"# {way}: {measured}", file=sys.stderr, flush=True)
            if way not in best or measured.seconds < best[way].seconds:
                best[way] = measured
    return best


def report(way: Callable[[], None]) -> None:
    """Run a way in this process, and print what it took."""
    sampler = Sampler()
    sampler.start()
    started = time.perf_counter()
    way()
    seconds = time.perf_counter() - started
    sampler.ended.set()
    print(json.dumps(asdict(Measured(seconds, sampler.cpu, sampler.peak))))


def print_results(title: str, unit: str, amount: float, best: Mapping[str, Measured]) -> None:
    """Print a table; speeds are relative to the first way.

    Args:
        title: What was done.
        unit: Of the amount, e.g. `MB`.
        amount: How much was processed.
        best: The fastest run of each way.
    """
    limit = next(iter(best.values()))
    head = ["way", "s", "CPU s", f"{unit}/s", "speed", "by CPU", "largest process, MB"]
    rows = [
        [
            way,
            f"{it.seconds:.1f}",
            f"{it.cpu:.1f}",
            f"{amount / it.seconds:,.0f}",
            f"{limit.seconds / it.seconds:.2f}",
            f"{limit.cpu / it.cpu:.2f}",
            f"{it.peak / 1e6:.0f}",
        ]
        for way, it in best.items()
    ]
    print(f"\n{title}\n\n{table(head, rows)}", flush=True)
