"""What the step as a whole writes to its logs; nodes write theirs themselves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone

from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.part import Record

PROGRESS_SECONDS = 1.0
"""Progress is noted at most so often."""

README = """\
Logs of the step {step}

job_result.txt                         why it ended as it did: first place to look
job_progress_overview.<yyyymmdd>.txt   how far it was, and when
failed_mini_batches.jsonl              a line for each failed mini-batch: its inputs and its error
user/error.txt                         a line for each failed attempt
user/error/<node>/<process>.txt        the full tracebacks
user/stdout/<node>/<process>.stdout.txt               what the script printed
user/stderr/<node>/<process>.stderr.txt               what it wrote to standard error
user/entry_script_log/<node>/<process>.log.txt        what it logged
sys/job.txt                            planning, progress, decisions
sys/node/<node>/<process>.txt          a line for each attempt: items, times, result
sys/perf/<node>/node_resource_usage.csv               what the node used
sys/perf/<node>/processes_resource_usage.csv          what each entry process used

The aggregated output and the step's other outputs are in ../outputs.
"""


class StepLogs:
    """Used by one process, the one that drives the step."""

    def __init__(self, directory: StepDirectory, step: str) -> None:
        self._directory = directory
        self._progress = (0.0, "")
        directory.logs.mkdir(parents=True, exist_ok=True)
        directory.job_log.parent.mkdir(parents=True, exist_ok=True)
        directory.readme.write_text(README.format(step=step), encoding="utf-8")

    def job(self, text: str) -> None:
        """Note a decision."""
        with self._directory.job_log.open("a", encoding="utf-8") as file:
            file.write(f"{_now()} {text}\n")

    def progress(self, text: str, *, last: bool = False) -> None:
        """Note how far the step is, if that is news, and not more than once in a while.

        Args:
            text: E.g. `3 of 10 mini-batches done`.
            last: Note it in any case.
        """
        now = time.monotonic()
        when, before = self._progress
        if not last and (text == before or now - when < PROGRESS_SECONDS):
            return
        self._progress = (now, text)
        day = time.strftime("%Y%m%d", time.gmtime())
        with self._directory.progress_overview(day).open("a", encoding="utf-8") as file:
            file.write(f"{_now()} {text}\n")

    def failed_mini_batches(self, records: Iterable[Record], command: Callable[[int], str]) -> None:
        """List the mini-batches that failed; none, and there is an empty file.

        Args:
            records: Those of all mini-batches.
            command: What to type to repeat a mini-batch, by its index.
        """
        with self._directory.failed_mini_batches.open("w", encoding="utf-8") as file:
            for record in records:
                if record.error is not None:
                    line = {
                        "mini_batch": record.index,
                        "inputs": record.inputs,
                        "items": record.items,
                        "failed_items": record.failed_items,
                        "attempts": record.attempt,
                        "error": record.error,
                        "traceback_file": record.traceback_file,
                        "node": record.node,
                        "process": record.process,
                        "repeat": command(record.index),
                    }
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
