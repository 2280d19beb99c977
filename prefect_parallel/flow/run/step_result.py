"""The result of a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prefect_parallel.output.job_result import Status


@dataclass(frozen=True)
class Failures:
    """Mini-batches that failed for the same reason.

    Attributes:
        cause: The error, with `…` in place of what differs.
        count: The number of mini-batches.
        example: The error of one of them.
        repeat: The command that runs one of them again.
    """

    cause: str
    count: int
    example: str
    repeat: str

    def __str__(self) -> str:
        such_as = "" if self.example == self.cause else f", such as {self.example}"
        return f"{self.cause}{such_as}"


@dataclass(frozen=True)
class StepResult:
    """The result of a step.

    Attributes:
        status: Completed, Failed or Canceled.
        reason: The reason, in one sentence.
        output: The aggregated output, else the folder of outputs; None if there is neither.
        log: The log to read first; None if no log could be written.
        failures: Failed mini-batches by cause, the most frequent first.
        metrics_for_parent: Metrics that are also shown for the pipeline's flow run.
    """

    status: Status
    reason: str
    output: Path | None
    log: Path | None
    failures: tuple[Failures, ...] = ()
    metrics_for_parent: Mapping[str, float] = field(default_factory=dict)
