"""What `--prefetch` saves: mini-batches whose data comes slowly, and a model that waits.

    python -m tests.benchmarks.prefetch

One process. Opening a file and `run` both only wait.
"""

from __future__ import annotations

import tempfile
import textwrap
import time
from pathlib import Path

from prefect_parallel.data import BySize, plan
from prefect_parallel.entry.pool import EntryPool
from tests.benchmarks.measure import table
from tests.benchmarks.ways import entry_config

MINI_BATCHES = 20

SCRIPT = """
    import sys, time

    def wait_for_disk(event, args):
        if event == "open" and str(args[0]).endswith(".jsonl"):
            time.sleep(float(sys.argv[1]))

    sys.addaudithook(wait_for_disk)

    def run(mini_batch):
        time.sleep(float(sys.argv[2]))
        return [0]
"""


def main() -> None:
    rows = []
    for load, run in ((0.1, 0.1), (0.05, 0.15), (0.15, 0.05)):
        alone, ahead = (seconds(load, run, prefetch) for prefetch in (False, True))
        rows.append([f"{load}", f"{run}", f"{alone:.2f}", f"{ahead:.2f}", f"{alone / ahead:.2f}"])
    print(f"\n{MINI_BATCHES} mini-batches\n")
    print(table(["load, s", "run, s", "without, s", "with --prefetch, s", "speed"], rows))


def seconds(load: float, run: float, prefetch: bool) -> float:
    """From the first mini-batch to the last, without the start of the process."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("code", "table", "step/parts"):
            (root / name).mkdir(parents=True)
        (root / "code" / "script.py").write_text(textwrap.dedent(SCRIPT))
        for number in range(MINI_BATCHES + 1):
            (root / "table" / f"{number:02}.jsonl").write_text('{"n": 1}\n')
        (root / "table" / "MLTable").write_text(
            "paths: [{pattern: '*.jsonl'}]\ntransformations: [{read_json_lines: {}}]\n"
        )
        made = plan(str(root / "table"), type="mltable", mode="direct", split=BySize.parse("1kb"))
        arguments = (str(load), str(run))
        step, code = root / "step", root / "code"
        config = entry_config(step, code, "script.py", arguments, made.reader, prefetch=prefetch)
        pool = EntryPool(config, "node-0")
        first, *others = made.mini_batches
        pool.run(first, 1)
        started = time.monotonic()
        for mini_batch, following in zip(others, [*others[1:], None], strict=True):
            assert pool.run(mini_batch, 1, following).error is None
        taken = time.monotonic() - started
        pool.close()
    return taken


if __name__ == "__main__":
    main()
