"""Where the seconds of a run go that does nothing, beside a bare Prefect flow on Dask.

    python -m tests.benchmarks.startup            some minutes
    python -m tests.benchmarks.startup --cold     with an empty Prefect home, too

Commands take turns, on a Prefect server of the benchmark's own; the best of several counts.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.measure import Usage, measure, table, warm_server
from tests.benchmarks.pipelines import write_no_op_pipeline

BARE = """\
from prefect import flow, task
from prefect_dask import DaskTaskRunner


@task
def one():
    return 1


@flow(
    task_runner=DaskTaskRunner(
        cluster_kwargs={"n_workers": 1, "threads_per_worker": 2, "dashboard_address": ":0"}
    )
)
def bare():
    return one.submit().result()


if __name__ == "__main__":
    bare()
"""

CLI = [sys.executable, "-m", "prefect_parallel.cli"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cold", action="store_true", help="with an empty Prefect home, too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="startup-") as name:
        folder = Path(name)
        write_no_op_pipeline(folder, 1)
        (folder / "bare.py").write_text(BARE)
        with warm_server(folder / "home") as (url, _):
            best = _with_server(folder, url, arguments.rounds)
        # The home has a database now, and the server is gone.
        best["prefect-parallel run, no server"] = _run(folder, folder / "home")
        if arguments.cold:
            best["prefect-parallel run, no server, empty home"] = _run(folder, folder / "cold")
        _print(best)


def _with_server(folder: Path, url: str, rounds: int) -> dict[str, Usage]:
    environment = {"PREFECT_API_URL": url}
    commands = {
        "a bare flow, one task, DaskTaskRunner": [sys.executable, "bare.py"],
        "prefect-parallel run": [*CLI, "run", "pipeline.yml", "--name", "run"],
        "prefect-parallel validate": [*CLI, "validate", "pipeline.yml"],
        "prefect-parallel --help": [*CLI, "--help"],
    }
    best: dict[str, Usage] = {}
    for _ in range(rounds):
        for title, command in commands.items():
            usage = measure(command, folder=folder, environment=environment)
            best[title] = min(best.get(title, usage), usage, key=lambda each: each.seconds)
            shutil.rmtree(folder / "runs", ignore_errors=True)
    return best


def _run(folder: Path, home: Path) -> Usage:
    command = [*CLI, "run", "pipeline.yml", "--name", "run"]
    usage = measure(command, folder=folder, environment={"PREFECT_HOME": str(home)})
    shutil.rmtree(folder / "runs")
    return usage


def _print(best: dict[str, Usage]) -> None:
    bare = best["a bare flow, one task, DaskTaskRunner"]
    rows = [
        [
            title,
            f"{usage.seconds:.2f}",
            f"{usage.cpu:.2f}",
            f"{usage.seconds / bare.seconds:.2f}",
            f"{usage.cpu / bare.cpu:.2f}",
        ]
        for title, usage in best.items()
    ]
    print(table(["command", "s", "CPU s", "time / bare", "CPU / bare"], rows))


if __name__ == "__main__":
    main()
