"""What a run costs that reuses 990 of 1,000 mini-batches, beside one of the ten others alone.

    python -m tests.benchmarks.reuse

Runs take turns, on a Prefect server of the benchmark's own; the best of several counts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.measure import Usage, measure, table, warm_server
from tests.benchmarks.pipelines import refuse_wrong_output, write_no_op_pipeline

MINI_BATCHES = 1000
NEW = 10
CLI = [sys.executable, "-m", "prefect_parallel.cli", "run", "pipeline.yml", "--name"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
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
        reusing: list[Usage] = []
        alone: list[Usage] = []
        for number in range(rounds):
            alone.append(measure([*CLI, f"run{number}"], folder=ten))
            command = [*CLI, "run", "--reuse", "earlier"]
            reusing.append(measure(command, folder=grown))
            assert "990 of 1,000 mini-batches are reused from earlier; 10 new" in reusing[-1].said
            refuse_wrong_output(grown, MINI_BATCHES)
            (grown / "runs" / "run").rename(grown / "runs" / f"run{number}")
    rows = [
        [
            title,
            f"{min(each.seconds for each in usages):.2f}",
            f"{min(each.cpu for each in usages):.2f}",
        ]
        for title, usages in (("990 of 1,000 reused", reusing), ("ten mini-batches", alone))
    ]
    print(table(["run", "seconds", "CPU, s"], rows))


if __name__ == "__main__":
    main()
