"""What a mini-batch costs beside the user's work: plain Dask, the stock runner, this project.

    python -m tests.benchmarks.orchestration                  some minutes
    python -m tests.benchmarks.orchestration --large 100000   some more

All in one run, on a Prefect server of its own; two slots each. Ratios are what counts.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.part import read_record
from tests.benchmarks.measure import Usage, measure, table, warm_server
from tests.benchmarks.pipelines import refuse_wrong_output, write_no_op_pipeline

SLOTS = 2
FEW = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", type=int, default=FEW, help="for the stock runner")
    parser.add_argument("--large", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--only", nargs=2, metavar=("SYSTEM", "COUNT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        system, count = arguments.only
        print(SYSTEMS[system](int(count)))
        return
    with tempfile.TemporaryDirectory(prefix="orchestration-") as folder:
        home = Path(folder) / "home"
        with warm_server(home) as (url, server):
            Benchmark(Path(folder), url, server).run(arguments.few, arguments.large)


class Benchmark:
    def __init__(self, folder: Path, url: str, server: psutil.Process) -> None:
        self._folder = folder
        self._environment = {"PREFECT_API_URL": url}
        self._server = server
        self._rows: list[list[str]] = []
        self._each: dict[tuple[str, int], float] = {}

    def run(self, few: int, large: list[int]) -> None:
        self._part("dask", few)
        self._part("stock", few)
        self._part("runner", few)
        self._project(few)
        for count in large:
            self._part("dask", count)
            if importlib.util.find_spec("ray"):
                self._part("ray", count)
            self._project(count)
        head = ["mini-batches", "system", "ms each", "driver MB", "server CPU s"]
        print(table(head, self._rows), "\n")
        self._print_ratios(few, large)

    def _part(self, system: str, count: int) -> None:
        command = [sys.executable, "-m", __spec__.name, "--only", system, str(count)]
        before = self._server_cpu()
        usage = measure(command, folder=Path.cwd(), environment=self._environment)
        self._note(system, count, float(usage.said.split()[-1]), usage, before)

    def _project(self, count: int) -> None:
        folder = self._folder / f"{count}"
        write_no_op_pipeline(folder, count, slots=SLOTS)
        command = [sys.executable, "-m", "prefect_parallel.cli", "run", "pipeline.yml"]
        before = self._server_cpu()
        usage = measure([*command, "--name", "run"], folder=folder, environment=self._environment)
        refuse_wrong_output(folder, count)
        # As the others: without the start of the cluster, and with all that is done in the end.
        step = RunDirectory(folder / "runs" / "run").step("step")
        first = read_record(step.part(0))
        assert first is not None
        seconds = step.job_result.stat().st_mtime - first.started_at
        self._note("project", count, seconds, usage, before)
        shutil.rmtree(folder)

    def _note(self, system: str, count: int, seconds: float, usage: Usage, before: float) -> None:
        time.sleep(1)
        each = self._each[system, count] = seconds / count * 1000
        self._rows.append(
            [
                f"{count:,}",
                TITLES[system],
                f"{each:.2f}",
                f"{usage.memory / 1e6:.0f}",
                f"{self._server_cpu() - before:.1f}",
            ]
        )
        print(" | ".join(self._rows[-1]), file=sys.stderr)

    def _server_cpu(self) -> float:
        """Once it has written down what it was told."""
        used, before = sum(self._server.cpu_times()[:2]), -1.0
        while used - before > 0.3:
            time.sleep(1)
            used, before = sum(self._server.cpu_times()[:2]), used
        return used

    def _print_ratios(self, few: int, large: list[int]) -> None:
        each = self._each
        rows = [
            ["stock runner / this project's runner", f"{few}",
             f"{each['stock', few] / each['runner', few]:.1f}", ""],
            ["stock runner / whole project, one task run each", f"{few}",
             f"{each['stock', few] / each['project', few]:.1f}", "at least 12"],
            *(
                ["whole project / plain Dask", f"{count:,}",
                 f"{each['project', count] / each['dask', count]:.2f}",
                 "at most 1.5" if count >= 10_000 else ""]
                for count in large
            ),
        ]  # fmt: skip
        print(table(["ratio of times per mini-batch", "mini-batches", "found", "wanted"], rows))


def plain_dask(count: int) -> float:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=SLOTS, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        client.gather(client.map(_no_op, range(100)))
        started = time.monotonic()
        for start in range(100, 100 + count, 10_000):
            client.gather(client.map(_no_op, range(start, min(start + 10_000, 100 + count))))
        return time.monotonic() - started


def stock_runner(count: int) -> float:
    from prefect_dask.task_runners import DaskTaskRunner

    return _mapped(DaskTaskRunner, count)


def our_runner(count: int) -> float:
    from distributed import Client

    from prefect_parallel.flow.nodes.dedicated_cluster import DedicatedCluster
    from prefect_parallel.flow.nodes.task_runner import NodeTaskRunner

    def runner(address: str) -> object:
        return NodeTaskRunner(lambda stack: DedicatedCluster(stack.enter_context(Client(address))))

    return _mapped(runner, count)


def ray_tasks(count: int) -> float:
    import ray

    ray.init(num_cpus=SLOTS, include_dashboard=False)
    remote = ray.remote(_no_op)
    ray.get([remote.remote(number) for number in range(100)])
    started = time.monotonic()
    ray.get([remote.remote(number) for number in range(count)])
    return time.monotonic() - started


def _mapped(runner: Callable[..., object], count: int) -> float:
    from distributed import LocalCluster
    from prefect import flow, task

    no_op = task(name="no-op")(_no_op)

    @flow(name="no-op")
    def mapped() -> float:
        no_op.map(range(4)).wait()
        started = time.monotonic()
        no_op.map(range(count)).wait()
        return time.monotonic() - started

    with LocalCluster(n_workers=1, threads_per_worker=SLOTS, dashboard_address=":0") as cluster:
        address = cluster.scheduler_address
        return mapped.with_options(task_runner=runner(address=address))()  # type: ignore[arg-type]


def _no_op(number: int) -> int:
    return number


SYSTEMS = {"dask": plain_dask, "stock": stock_runner, "runner": our_runner, "ray": ray_tasks}

TITLES = {
    "dask": "plain Dask, client.map",
    "stock": "prefect-dask's runner, task.map",
    "runner": "this project's runner, task.map",
    "ray": "Ray tasks",
    "project": "prefect-parallel run",
}

if __name__ == "__main__":
    main()
