"""What became of a step, as its run and its observer are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prefect_parallel.output.job_result import Status


@dataclass(frozen=True)
class Failures:
    """Mini-batches that failed of one root cause.

    Attributes:
        cause: The error, with `…` for what differs.
        count: How many there are.
        example: The error of one of them.
        repeat: What to type to run one of them again.
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
    """What became of a step.

    Attributes:
        status: Completed, Failed or Canceled.
        reason: Why, in one sentence.
        output: The aggregated output, else the folder of the step's outputs; None for neither.
        log: The file to look into first; None if there is nowhere to write to.
        failures: Of the mini-batches that failed, the most frequent causes first.
        metrics_for_parent: Metrics that the pipeline's run shows, too.
    """

    status: Status
    reason: str
    output: Path | None
    log: Path | None
    failures: tuple[Failures, ...] = ()
    metrics_for_parent: Mapping[str, float] = field(default_factory=dict)
