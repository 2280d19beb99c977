"""The result of a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from prefect_parallel.errors import counted
from prefect_parallel.output.job_result import Status

Place: TypeAlias = Path | str
"""An absolute path on this machine, or the URL of what is on remote storage."""

CAUSES = 5
"""Maximum number of root causes of a step that are shown and logged."""


@dataclass(frozen=True)
class Failures:
    """Mini-batches that failed for the same reason.

    Attributes:
        count: Number of mini-batches.
        example: The error of one of them. Those of others differ in names and numbers.
        traceback: The log with its traceback; None if there is none.
        repeat: Command that runs this one again.
    """

    count: int
    example: str
    traceback: Place | None
    repeat: str

    def __str__(self) -> str:
        such_as = ":" if self.count == 1 else ", e.g."
        return f"{counted(self.count, 'mini-batch')}{such_as} {self.example}"


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """The result of a step.

    Attributes:
        status: Completed, Failed, Canceled or Prepared.
        reason: The reason, in one sentence. If mini-batches failed, it ends with the first error.
        summary: The reason without that error.
        mini_batches: Number of mini-batches: total, succeeded, failed, retried. Empty for a
            command step.
        items: Number of rows or files: total, succeeded, failed. Empty for a command step.
        missing: What a completed step left out, e.g. `3 of 20 files are missing from the output`;
            empty if nothing.
        failures: Failed mini-batches by cause, the most frequent first.
        output: The aggregated output, else the only output, else the folder of outputs; None if
            there is none, or the step did not complete.
        outputs: Each output of the step by name: where it is published, else where it is in the
            run directory. Empty if the step did not complete.
        run_directory: The directory of the run.
        report: The report of the run.
        log: The log to read first; None if no log could be written.
        page: The result of a parallel step as Markdown, as the Prefect UI shows it.
        metrics: Its counts and speed.
    """

    status: Status
    reason: str
    summary: str
    run_directory: Place
    report: Place
    mini_batches: Mapping[str, int] = field(default_factory=dict)
    items: Mapping[str, int] = field(default_factory=dict)
    missing: str = ""
    failures: tuple[Failures, ...] = ()
    output: Place | None = None
    outputs: Mapping[str, Place] = field(default_factory=dict)
    log: Place | None = None
    page: str = field(default="", repr=False)
    metrics: Mapping[str, float] = field(default_factory=dict, repr=False)
