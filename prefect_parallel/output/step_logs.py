"""What the step as a whole writes to its logs; nodes write theirs themselves."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timezone

from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.failed_mini_batch import FailedMiniBatch
from prefect_parallel.output.part import Record

PROGRESS_SECONDS = 1.0
"""Progress is noted at most so often."""

FILES = {
    "job_result.txt": "why it ended as it did: first place to look",
    "job_progress_overview.<yyyymmdd>.txt": "how far it was, and when",
    "failed_mini_batches.jsonl": "a line for each failed one: inputs, error, how to repeat it",
    "user/error.txt": "a line for each failed attempt",
    "user/error/<node>/<process>.txt": "the full tracebacks",
    "user/stdout/<node>/<process>.stdout.txt": "what the script printed",
    "user/stderr/<node>/<process>.stderr.txt": "what it wrote to standard error",
    "user/entry_script_log/<node>/<process>.log.txt": "what it logged",
    "sys/job.txt": "planning, progress, decisions",
    "sys/node/<node>/<process>.txt": "a line for each attempt: items, times, result",
    "sys/perf/<node>/node_resource_usage.csv": "what the node used",
    "sys/perf/<node>/processes_resource_usage.csv": "what each entry process used",
    "sys/perf/<node>/<process>.prof": "where its time went, for pstats or snakeviz",
}
"""Every file of a step's logs, and what is in it."""


class StepLogs:
    """Used by one process, the one that drives the step."""

    def __init__(self, directory: StepDirectory, step: str) -> None:
        self._directory = directory
        self._step = step
        self._progress = (0.0, "")

    def begin(self) -> None:
        """Make the folders, and a readme that tells of all that may come."""
        self._directory.job_log.parent.mkdir(parents=True, exist_ok=True)
        self._write_readme(FILES)

    def job(self, text: str) -> None:
        """Note a decision."""
        with self._directory.job_log.open("a", encoding="utf-8") as file:
            file.write(f"{_now()} {text}\n")

    def close(self) -> None:
        """Let the readme list what is there, now that nothing more comes."""
        self._write_readme({name: text for name, text in FILES.items() if self._is_there(name)})

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
                    failed = FailedMiniBatch.of(record, command(record.index))
                    file.write(json.dumps(asdict(failed), ensure_ascii=False) + "\n")

    def _is_there(self, name: str) -> bool:
        pattern = re.sub(r"<\w+>", "*", name)
        return next(self._directory.logs.glob(pattern), None) is not None

    def _write_readme(self, files: Mapping[str, str]) -> None:
        width = max(map(len, FILES)) + 2
        lines = [f"{name:<{width}}{text}" for name, text in files.items()]
        head = f"Logs of the step {self._step}"
        foot = "The aggregated output and the step's other outputs are in ../outputs."
        self._directory.readme.write_text(
            "\n".join([head, "", *lines, "", foot, ""]), encoding="utf-8"
        )


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
