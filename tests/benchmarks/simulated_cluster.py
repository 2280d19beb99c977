"""What the driver and the API server do for each task run, as nodes become many.

    python -m tests.benchmarks.simulated_cluster                       some minutes
    python -m tests.benchmarks.simulated_cluster --nodes 10 100 200    as memory allows

All nodes are Dask workers on this machine with real entry processes that do nothing, so that times
are those of an overloaded machine. What holds on a real cluster, too, is the CPU that the driver,
which is the Dask scheduler as well, and the API server spend for each task run, and their memory.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.benchmarks.measure import measure, table, warm_server
from tests.benchmarks.pipelines import refuse_wrong_output, write_no_op_pipeline

SLOTS = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="*", default=[1, 10, 50])
    parser.add_argument("--mini-batches", type=int, default=1000, help="each a task run of its own")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="simulated-cluster-") as name:
        folder = Path(name)
        write_no_op_pipeline(folder, arguments.mini_batches, slots=SLOTS)
        with warm_server(folder / "home") as (url, server):
            rows = [
                _row(folder, url, server, nodes, arguments.mini_batches)
                for nodes in arguments.nodes
            ]
    head = [
        "nodes",
        "s",
        "driver CPU ms / task run",
        "API server CPU ms / task run",
        "driver MB",
    ]
    print(table(head, rows))


def _row(folder: Path, url: str, server: psutil.Process, nodes: int, count: int) -> list[str]:
    few = _Run(folder, url, server, nodes, count, together=count)
    many = _Run(folder, url, server, nodes, count, together=1)
    # What one task run costs does not include what the start does.
    driver = (many.usage.own_cpu - few.usage.own_cpu) / count
    api = (many.server_cpu - few.server_cpu) / count
    row = [
        f"{nodes}",
        f"{many.usage.seconds:.1f}",
        f"{1000 * driver:.1f}",
        f"{1000 * api:.1f}",
        f"{many.usage.memory / 1e6:.0f}",
    ]
    print(" | ".join(row), file=sys.stderr)
    return row


class _Run:
    """One run over so many files, so many of them together in a mini-batch, and what it took."""

    def __init__(
        self,
        folder: Path,
        url: str,
        server: psutil.Process,
        nodes: int,
        files: int,
        *,
        together: int,
    ) -> None:
        command = [sys.executable, "-m", "prefect_parallel.cli", "run", "pipeline.yml"]
        options = ["--name", "run", "--set", f"jobs.step.mini_batch_size={together}"]
        options += ["--set", f"jobs.step.resources.instance_count={nodes}"]
        # By default short mini-batches share a task run.
        options += ["--task-run-seconds", "0", "--max-task-runs", f"{files}"]
        before = _settled(server)
        environment = {"PREFECT_API_URL": url}
        self.usage = measure([*command, *options], folder=folder, environment=environment)
        self.server_cpu = _settled(server) - before
        refuse_wrong_output(folder, files)
        shutil.rmtree(folder / "runs")


def _settled(server: psutil.Process) -> float:
    """The server's CPU seconds, once it has written down what it was told."""
    used, before = sum(server.cpu_times()[:2]), -1.0
    while used - before > 0.3:
        time.sleep(1)
        used, before = sum(server.cpu_times()[:2]), used
    return used


if __name__ == "__main__":
    main()
