"""`result.yml`: how a run ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect_parallel.output.job_result import Status
from prefect_parallel.output.result_file import ResultFile


@dataclass(frozen=True)
class RunResult(ResultFile):
    """How a run ended.

    Attributes:
        status: Completed, Failed, Canceled or Prepared.
        reason: One sentence, or one for each failed step.
        started_at: Start of the run or of its last resumption, ISO 8601, UTC.
        duration_seconds: Time from then to the end.
        steps: status, reason, mini_batches and items of each step that started.
    """

    status: Status
    reason: str
    started_at: str
    duration_seconds: float
    steps: dict[str, dict[str, Any]]

    @property
    def mini_batches(self) -> dict[str, int]:
        """The numbers of mini-batches of all steps."""
        return self._sum("mini_batches")

    @property
    def items(self) -> dict[str, int]:
        """The numbers of items of all steps."""
        return self._sum("items")

    def _sum(self, what: str) -> dict[str, int]:
        counts = [step[what] for step in self.steps.values() if step[what]]
        return {key: sum(each[key] for each in counts) for key in (counts[0] if counts else ())}
