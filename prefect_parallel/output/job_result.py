"""`job_result.txt`: why a step ended as it did. The first place to look."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import yaml

from prefect_parallel.output.atomic_write import atomic_write
from prefect_parallel.output.totals import Totals

Status = Literal["Completed", "Failed", "Canceled"]


@dataclass(frozen=True)
class JobResult:
    """What a step came to.

    Attributes:
        status: Completed, Failed or Canceled.
        reason: One sentence; for a failure the root cause and the file with its traceback.
        mini_batches: total, succeeded, failed, retried.
        items: total, succeeded, failed.
        values_set_to_null: How many values of the input did not fit their column's type.
        uneven_rows: How many rows of the input have fewer or more cells than their header.
        values_written_as_null: How many returned values the output's format lacks, as infinite
            numbers in JSON.
        thresholds: Those that were in force.
        duration_seconds: From `started_at` to `ended_at`.
        started_at: ISO 8601, UTC.
        ended_at: The same.
        nodes: How many nodes did some of the work.
        processes: How many entry processes did.
        output: The aggregated output; None if rows were only counted, or none was written.
        logs: The step's log folder.
    """

    status: Status
    reason: str
    mini_batches: dict[str, int]
    items: dict[str, int]
    values_set_to_null: int
    uneven_rows: int
    values_written_as_null: int
    thresholds: dict[str, float]
    duration_seconds: float
    started_at: str
    ended_at: str
    nodes: int
    processes: int
    output: str | None
    logs: str

    @classmethod
    def of(
        cls,
        *,
        status: Status,
        reason: str,
        mini_batches: int,
        totals: Totals,
        thresholds: dict[str, float],
        started_at: datetime,
        ended_at: datetime,
        output: Path | None,
        logs: Path,
    ) -> JobResult:
        """The result that follows from the records of a step with so many mini-batches."""
        return cls(
            status=status,
            reason=reason,
            mini_batches={
                "total": mini_batches,
                "succeeded": totals.succeeded,
                "failed": totals.failed,
                "retried": totals.retried,
            },
            items={
                "total": totals.items,
                "succeeded": totals.succeeded_items,
                "failed": totals.failed_items,
            },
            values_set_to_null=totals.values_set_to_null.total(),
            uneven_rows=totals.uneven_rows,
            values_written_as_null=totals.written_as_null.total(),
            thresholds=thresholds,
            duration_seconds=round((ended_at - started_at).total_seconds(), 3),
            started_at=started_at.isoformat(timespec="seconds"),
            ended_at=ended_at.isoformat(timespec="seconds"),
            nodes=totals.nodes,
            processes=len(totals.processes),
            output=None if output is None else str(output),
            logs=str(logs),
        )

    def write(self, path: Path) -> None:
        """Write it as YAML; readers see the old file or the whole new one."""
        text = yaml.safe_dump(asdict(self), sort_keys=False, allow_unicode=True, width=100)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(text.encode())
