"""What `--isolate_failed_items` costs: some of many items fail, each in another mini-batch.

    python -m tests.benchmarks.isolation

One process. `run` only waits, a while for each item, and raises when it comes to one that fails.
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

ITEMS, SIZE, FAILING, SECONDS = 10_000, 100, 10, 0.004

SCRIPT = f"""
    import os, sys, time

    failing = int(sys.argv[1])

    def run(mini_batch):
        numbers = [int(os.path.basename(path)) for path in mini_batch]
        for done, number in enumerate(numbers):
            # One of each thousand, at another position in its mini-batch.
            if number % {ITEMS // FAILING} == number // {ITEMS // FAILING} * 9 + 7 and failing:
                time.sleep(done * {SECONDS})
                raise ValueError(number)
        time.sleep(len(numbers) * {SECONDS})
        return numbers
"""


def main() -> None:
    rows = []
    none, _ = seconds(0, retries=0)
    for retries in (0, 2):
        taken, failed = seconds(FAILING, retries=retries)
        assert failed == FAILING
        rows.append([f"{retries}", f"{none:.2f}", f"{taken:.2f}", f"{taken / none:.2f}"])
    print(f"\n{ITEMS:,} items in mini-batches of {SIZE}, {FAILING} of which fail\n")
    print(table(["max_retries", "without failures, s", "with failures, s", "relative"], rows))


def seconds(failing: int, *, retries: int) -> tuple[float, int]:
    """From the first mini-batch to the last, without the start of the process; failed items."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("code", "data", "step/parts"):
            (root / name).mkdir(parents=True)
        (root / "code" / "script.py").write_text(textwrap.dedent(SCRIPT))
        for number in range(ITEMS):
            (root / "data" / f"{number:05}").touch()
        made = plan(str(root / "data"), type="uri_folder", mode="ro_mount", split=BySize(SIZE))
        config = entry_config(
            root / "step",
            root / "code",
            "script.py",
            (str(failing),),
            made.reader,
            isolates_failed_items=True,
        )
        pool = EntryPool(config, "node-0")
        *mini_batches, last = made.mini_batches
        pool.run(last, 1)
        started, failed = time.monotonic(), 0
        for mini_batch in mini_batches:
            for attempt in range(1, retries + 2):
                record = pool.run(mini_batch, attempt)
            if record.error is not None:
                record = pool.isolate(mini_batch, record)
            failed += record.failed_items
        taken = time.monotonic() - started
        pool.close()
    return taken, failed


if __name__ == "__main__":
    main()
