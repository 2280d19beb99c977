"""`job_result.txt`: the result of a step, and the reason for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from prefect_parallel.output.result_file import ResultFile
from prefect_parallel.output.totals import Totals

Status = Literal["Completed", "Failed", "Canceled", "Prepared"]
"""Prepared: the step, or a step of the run, waits for workers."""


def succeeded(counts: Mapping[str, int]) -> str:
    """E.g. `3 of 4`; empty for a command step, which counts nothing."""
    return f"{counts['succeeded']:,} of {counts['total']:,}" if counts else ""


@dataclass(frozen=True)
class JobResult(ResultFile):
    """The result of a step.

    Attributes:
        status: Completed, Failed, Canceled or Prepared.
        reason: One sentence; for a failure, the root cause and the file with its traceback.
        mini_batches: total, succeeded, failed, retried.
        items: total, succeeded, failed.
        values_set_to_null: Number of values of the input that did not fit their column's type.
        uneven_rows: Number of rows of the input with fewer or more cells than their header.
        values_written_as_null: Number of returned values that the output's format lacks, such as
            infinite numbers in JSON.
        warnings: Warnings of the step, e.g. about nodes that were left out, with the reason.
        thresholds: The thresholds of the step.
        duration_seconds: Time from `started_at` to `ended_at`.
        started_at: Start of the step, ISO 8601, UTC.
        ended_at: End of the step, likewise.
        nodes: Number of nodes that ran mini-batches.
        processes: Number of entry processes that did.
        output: Path or URL of the aggregated output; null if rows were only counted, or no output
            was written.
        logs: Path or URL of the step's log folder.
        reused: Number of mini-batches with a result of an earlier run, or of this run before it was
            resumed.
        reuse: How many mini-batches are reused from which runs, and why others are not; empty
            unless the run was resumed, or reuses earlier ones.
    """

    status: Status
    reason: str
    mini_batches: dict[str, int]
    items: dict[str, int]
    values_set_to_null: int
    uneven_rows: int
    values_written_as_null: int
    warnings: list[str]
    thresholds: dict[str, float]
    duration_seconds: float
    started_at: str
    ended_at: str
    nodes: int
    processes: int
    output: str | None
    logs: str
    reused: int = 0
    reuse: str = ""

    @classmethod
    def of(
        cls,
        *,
        status: Status,
        reason: str,
        mini_batches: int,
        totals: Totals,
        warnings: list[str],
        thresholds: dict[str, float],
        started_at: datetime,
        ended_at: datetime,
        output: Path | str | None,
        logs: Path | str,
        reused: int = 0,
        reuse: str = "",
    ) -> JobResult:
        """The result of a step, from the totals of its records."""
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
            warnings=warnings,
            thresholds=thresholds,
            duration_seconds=round((ended_at - started_at).total_seconds(), 3),
            started_at=started_at.isoformat(timespec="seconds"),
            ended_at=ended_at.isoformat(timespec="seconds"),
            nodes=totals.nodes,
            processes=len(totals.processes),
            output=None if output is None else str(output),
            logs=str(logs),
            reused=reused,
            reuse=reuse,
        )
