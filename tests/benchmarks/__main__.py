"""All benchmarks, one after another, as Markdown tables.

    python -m tests.benchmarks > tables.md       about an hour on two idle cores
    python -m tests.benchmarks --quick           some minutes: small data, one round

Run them on an idle machine: the tables are those of docs/performance.md. Progress is on stderr.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

BENCHMARKS = {
    "Start": "startup --cold",
    "CSV, Parquet and JSON lines, by size": "data_plane",
    "CSV in mini-batches of the default size": "data_plane --formats csv --mini-batch-size 1mb"
    " --ways 'entry processes' 'prefect-parallel run'",
    "A large CSV file": "data_plane --formats csv --megabytes 2500",
    "Images": "images",
    "Prefetching": "prefetch",
    "Isolating failed items": "isolation",
    "Reuse": "reuse",
    "Orchestration": "orchestration --few 500 --large 1000 10000 100000",
    "Many nodes": "simulated_cluster --nodes 1 10 40 --mini-batches 400",
}

QUICK = {
    "Start": "startup --rounds 1",
    "CSV, Parquet and JSON lines, by size": "data_plane --megabytes 20 --repeat 1",
    "Images": "images --images 500 --repeat 1",
    "Prefetching": "prefetch",
    "Isolating failed items": "isolation",
    "Reuse": "reuse --rounds 1",
    "Orchestration": "orchestration --few 50 --large 500",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small data, one round")
    parser.add_argument("--only", nargs="+", metavar="TITLE", help="some of the tables")
    options = parser.parse_args()
    benchmarks = QUICK if options.quick else BENCHMARKS
    if unknown := set(options.only or ()) - set(benchmarks):
        parser.error(
            f"--only: no table {', '.join(sorted(unknown))}; there are {'; '.join(benchmarks)}"
        )
    # Some containers forbid bytecode, and each process would compile all that it imports.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    print(_machine())
    for title, command in benchmarks.items():
        if options.only is None or title in options.only:
            print(f"\n## {title}\n", flush=True)
            module, *arguments = shlex.split(command)
            command_line = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
            subprocess.run(command_line, check=True)


def _machine() -> str:
    packages = ("prefect", "distributed", "ray", "pandas", "pyarrow")
    found = ", ".join(f"{name} {_version(name)}" for name in packages)
    cores, load = os.cpu_count(), os.getloadavg()[0]
    return f"Python {platform.python_version()}, {found}; {cores} cores, load {load:.1f} before."


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    main()
