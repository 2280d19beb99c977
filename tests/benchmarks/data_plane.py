"""How fast rows are scored, against the bare limit and two other systems.

    python -m tests.benchmarks.data_plane --megabytes 500

Ratios of one run on one machine can be compared; seconds of different machines cannot. Each way
runs in a process of its own, `--repeat` times, by turns; the best of each counts. CPU seconds are
those of all its processes, but for Prefect's server; they vary less where others use the machine.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Measured:
    """One way, run once.

    Attributes:
        cpu: Seconds that it and its processes computed.
        peak: Bytes that the largest process held.
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500, help="of the rows as CSV")
    parser.add_argument("--formats", nargs="+", default=["csv", "parquet", "jsonl"])
    parser.add_argument("--mini-batch-size", default="4mb")
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--ways", nargs="+")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "data_plane"))
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        _run_one(options)
        return

    from tests.benchmarks.scoring import make
    from tests.benchmarks.ways import WAYS

    ways = options.ways or [
        name for name in WAYS if name != "Ray Data" or importlib.util.find_spec("ray")
    ]
    with _server():
        for format_ in options.formats:
            make(options.folder, format_, options.megabytes)
            _print_table(format_, options, _measure(format_, ways, options))


def _measure(format_: str, ways: list[str], options: argparse.Namespace) -> dict[str, Measured]:
    best: dict[str, Measured] = {}
    for _ in range(options.repeat):
        for way in ways:
            command = [sys.executable, "-m", "tests.benchmarks.data_plane", "--one", way, format_]
            for name in ("megabytes", "mini_batch_size", "slots", "folder"):
                command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            measured = Measured(**json.loads(done.stdout.splitlines()[-1]))
            print(f"# {format_} {way}: {measured}", file=sys.stderr, flush=True)
            if way not in best or measured.seconds < best[way].seconds:
                best[way] = measured
    return best


def _run_one(options: argparse.Namespace) -> None:
    from tests.benchmarks.ways import WAYS, Work

    way, format_ = options.one
    sampler = Sampler()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        work = Work(
            options.folder,
            format_,
            options.megabytes,
            options.mini_batch_size,
            options.slots,
            Path(folder),
        )
        sampler.start()
        started = time.perf_counter()
        WAYS[way](work)
        seconds = time.perf_counter() - started
        sampler.ended.set()
    print(json.dumps({"seconds": seconds, "cpu": sampler.cpu, "peak": sampler.peak}))


def _print_table(format_: str, options: argparse.Namespace, best: dict[str, Measured]) -> None:
    size = (options.folder / f"{format_}-{options.megabytes}" / f"data.{format_}").stat().st_size
    limit = best.get("bare limit", next(iter(best.values())))
    print(f"\n{format_}, {size / 1e6:.0f} MB\n")
    print("| way | s | CPU s | MB/s | largest process, MB | speed, of the limit | by CPU |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for way, it in best.items():
        print(
            f"| {way} | {it.seconds:.1f} | {it.cpu:.1f} | {size / it.seconds / 1e6:.0f} |"
            f" {it.peak / 1e6:.0f} | {limit.seconds / it.seconds:.2f} | {limit.cpu / it.cpu:.2f} |"
        )
    sys.stdout.flush()


@contextmanager
def _server() -> Iterator[None]:
    """A warm Prefect server, with a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["PREFECT_HOME"] = home
        from prefect_parallel.flow.server.server import prefect_server

        with prefect_server():
            yield


if __name__ == "__main__":
    main()
