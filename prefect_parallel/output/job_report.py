"""`sys/job_report`: all attempts of a step as CSV files, with the columns of Azure ML."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.attempts import Attempt
from prefect_parallel.output.root_cause import root_cause
from prefect_parallel.output.run_log import read_attempts, read_lines
from prefect_parallel.output.timestamps import format_timestamp

Row = Sequence[object]


class _Column(NamedTuple):
    name: str
    of: Callable[[Attempt], object]
    sums: bool = False


_COLUMNS = (
    _Column("Mini-batch Id", attrgetter("mini_batch")),
    _Column("Picked Count", attrgetter("attempt")),
    _Column("Node", attrgetter("node")),
    _Column("Process", attrgetter("process")),
    # Without a time zone, which spreadsheets do not read.
    _Column(
        "Process Start Time",
        lambda each: format_timestamp(each.started_at, "microseconds").removesuffix("Z"),
    ),
    _Column("Total", attrgetter("items"), sums=True),
    _Column("Succeeded", attrgetter("succeeded"), sums=True),
    _Column("Failed", lambda each: each.items and each.items - each.succeeded, sums=True),
    _Column("Elapsed Seconds", attrgetter("seconds"), sums=True),
    _Column("Process Seconds", attrgetter("process_seconds"), sums=True),
    _Column("Run Method Seconds", attrgetter("run_seconds"), sums=True),
    _Column("Status", lambda each: "Failed" if each.error else "Succeeded"),
    _Column("Error Category", lambda each: root_cause(each.error) if each.error else ""),
    _Column("Error Message", lambda each: each.error or ""),
)
_SUMS = tuple(column for column in _COLUMNS if column.sums)


def write_job_report(directory: StepDirectory) -> None:
    """Write the report of a step from its logs; none if there was no attempt."""
    attempts = read_attempts(directory)
    if not attempts:
        return
    folder = directory.job_report
    folder.mkdir(parents=True, exist_ok=True)
    names = [column.name for column in _COLUMNS]
    details = _with_details(attempts.by_mini_batch(), directory.plan)
    _write(folder / "processed_mini-batches.csv", [*names, "Mini-batch Detail"], details)
    for file, keys in (("process_summary", ("node", "process")), ("node_summary", ("node",))):
        head = [*(key.capitalize() for key in keys), "Mini-batches"]
        head += [column.name for column in _SUMS]
        _write(folder / f"{file}.csv", head, _summary(attempts, keys))


def _with_details(attempts: Iterable[Attempt], plan: Path) -> Iterator[Row]:
    """The rows of attempts, which are sorted as the plan file is, with what it says of each."""
    lines = enumerate(read_lines(plan))
    for index, each in groupby(attempts, attrgetter("mini_batch")):
        line = next((line for number, line in lines if number == index), None)
        detail = "" if line is None else line.partition('"mini_batch": ')[2][:-1]
        for attempt in each:
            yield [*(column.of(attempt) for column in _COLUMNS), detail]


def _summary(attempts: Iterable[Attempt], keys: tuple[str, ...]) -> Iterator[Row]:
    groups: dict[tuple[str, ...], list[float]] = {}
    for attempt in attempts:
        group = tuple(getattr(attempt, key) for key in keys)
        sums = groups.setdefault(group, [0, *(0 for _ in _SUMS)])
        sums[0] += 1
        for place, column in enumerate(_SUMS, 1):
            value = column.of(attempt)
            if isinstance(value, (int, float)):
                sums[place] += value
    for group, sums in sorted(groups.items()):
        yield [*group, *(round(each, 6) for each in sums)]


def _write(path: Path, head: Sequence[str], rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)
