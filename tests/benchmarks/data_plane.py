"""How fast rows are scored, against the bare limit and two other systems.

    python -m tests.benchmarks.data_plane                                  517 MB as CSV, 3 formats
    python -m tests.benchmarks.data_plane --megabytes 2500 --formats csv

Ratios of one run on one machine can be compared; seconds of different machines cannot. Each way
runs in a process of its own, `--repeat` times, by turns; the fastest of each counts, by wall time.
CPU seconds are those of all its processes, but for Prefect's server.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from pathlib import Path

from tests.benchmarks.contest import compete, print_results, report
from tests.benchmarks.measure import warm_server

FOLDER = Path(tempfile.gettempdir(), "data_plane")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500, help="of the rows as CSV")
    parser.add_argument("--formats", nargs="+", default=["csv", "parquet", "jsonl"])
    parser.add_argument("--mini-batch-size", default="4mb")
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--ways", nargs="+")
    parser.add_argument("--folder", type=Path, default=FOLDER)
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
    with tempfile.TemporaryDirectory() as home, warm_server(Path(home)):
        for format_ in options.formats:
            make(options.folder, format_, options.megabytes)
            commands = {way: _command(way, format_, options) for way in ways}
            best = compete(commands, options.repeat)
            data = options.folder / f"{format_}-{options.megabytes}" / f"data.{format_}"
            megabytes = data.stat().st_size / 1e6
            size = options.mini_batch_size
            title = f"{format_}, {megabytes:.0f} MB, mini-batches of {size}"
            print_results(title, "MB", megabytes, best)


def _command(way: str, format_: str, options: argparse.Namespace) -> list[str]:
    command = ["-m", "tests.benchmarks.data_plane", "--one", way, format_]
    for name in ("megabytes", "mini_batch_size", "slots", "folder"):
        command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    return command


def _run_one(options: argparse.Namespace) -> None:
    from tests.benchmarks.ways import WAYS, Work

    way, format_ = options.one
    size, slots = options.mini_batch_size, options.slots
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        work = Work(options.folder, format_, options.megabytes, size, slots, Path(folder))
        report(lambda: WAYS[way](work))


if __name__ == "__main__":
    main()
