"""What a run costs that reuses 990 of 1,000 mini-batches, beside one of the ten others alone.

    python -m tests.benchmarks.reuse

Runs take turns, on a Prefect server of the benchmark's own. Each reusing run is compared with the
other one of its pair; the median of these ratios counts. A first pair is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.benchmarks.measure import Usage, measure, table, warm_server
from tests.benchmarks.pipelines import refuse_wrong_output, write_no_op_pipeline

MINI_BATCHES = 1000
NEW = 10
KINDS: tuple[Callable[[Usage], float], ...] = (lambda each: each.seconds, lambda each: each.cpu)
CLI = [sys.executable, "-m", "prefect_parallel.cli", "run", "pipeline.yml", "--name"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="number of pairs")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="reuse-") as name, warm_server(Path(name, "home")):
        grown, ten = Path(name, "grown"), Path(name, "ten")
        write_no_op_pipeline(grown, MINI_BATCHES)
        write_no_op_pipeline(ten, NEW)
        aside = [grown / "data/0000" / f"{number * 99:07d}.txt" for number in range(NEW)]
        for file in aside:
            file.rename(ten / file.name)
        measure([*CLI, "earlier"], folder=grown)
        for file in aside:
            (ten / file.name).rename(file)
        pairs = [_pair(grown, ten, number) for number in range(rounds + 1)][1:]
    rows = [
        [
            "990 of 1,000 reused",
            *(_spread(kind(one) for one, _ in pairs) for kind in KINDS),
        ],
        ["ten mini-batches", *(_spread(kind(alone) for _, alone in pairs) for kind in KINDS)],
        ["ratio", *(_spread(kind(one) / kind(other) for one, other in pairs) for kind in KINDS)],
    ]
    print(table(["median (lowest - highest)", "seconds", "CPU, s"], rows))


def _pair(grown: Path, ten: Path, number: int) -> tuple[Usage, Usage]:
    """A run that reuses 990 mini-batches, and one of the ten others; which is first alternates."""

    def reusing() -> Usage:
        usage = measure([*CLI, "run", "--reuse", "earlier"], folder=grown)
        assert "990 of 1,000 mini-batches are reused from earlier; 10 new" in usage.said
        refuse_wrong_output(grown, MINI_BATCHES)
        (grown / "runs" / "run").rename(grown / "runs" / f"run{number}")
        return usage

    if number % 2:
        return reusing(), measure([*CLI, f"run{number}"], folder=ten)
    alone = measure([*CLI, f"run{number}"], folder=ten)
    return reusing(), alone


def _spread(values: Iterable[float]) -> str:
    known = sorted(values)
    return f"{statistics.median(known):.2f} ({known[0]:.2f} - {known[-1]:.2f})"


if __name__ == "__main__":
    main()
