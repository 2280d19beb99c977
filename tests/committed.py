"""What a step has committed so far."""

from __future__ import annotations

from pathlib import Path

from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.part import Record
from prefect_parallel.output.totals import records


def committed(step: Path) -> list[Record]:
    """The records of the mini-batches of a step that have a part."""
    directory = StepDirectory(step)
    try:
        with directory.plan.open("rb") as lines:
            return list(records(directory, sum(1 for _ in lines)))
    except FileNotFoundError:
        # There is no plan yet, or packs are just being unpacked.
        return []
