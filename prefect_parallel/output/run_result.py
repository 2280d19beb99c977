"""`result.yml`: how a run ended."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from prefect_parallel.atomic_write import atomic_write
from prefect_parallel.output.job_result import Status


@dataclass(frozen=True)
class RunResult:
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

    @classmethod
    def read(cls, path: Path) -> RunResult:
        """Read what `write` wrote."""
        return cls(**yaml.safe_load(path.read_text(encoding="utf-8")))

    def write(self, path: Path) -> None:
        """Write it as YAML, replacing the file atomically."""
        text = yaml.safe_dump(asdict(self), sort_keys=False, allow_unicode=True, width=100)
        with atomic_write(path) as file:
            file.write(text.encode())
