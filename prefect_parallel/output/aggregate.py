"""From the parts of a step to its aggregated output."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.atomic_write import atomic_write
from prefect_parallel.output.formats import OutputFormat
from prefect_parallel.output.part import Record, open_part
from prefect_parallel.output.totals import records

MIXED_NAMED = 5
"""How many mini-batches an error about mixed returns names of each kind."""


class MixedReturns(PrefectParallelError):
    """Mini-batches returned what cannot stand in one file."""


def aggregate(
    directory: StepDirectory,
    mini_batches: int,
    target: Path,
    format_: OutputFormat,
    *,
    header: bool,
) -> None:
    """Join the parts into one file, in the order of the mini-batches.

    Args:
        directory: The step's.
        mini_batches: How many the step has.
        target: The aggregated output; it appears whole, or not at all.
        format_: The one that the parts were encoded in.
        header: Whether column names come first, where the format knows such a line.

    Raises:
        MixedReturns: Parts differ in kind or in columns.
    """
    columns = _common_columns(records(directory, mini_batches))
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as file:
        if header and columns is not None:
            file.write(format_.header(columns))
        format_.join(_Payloads(directory, mini_batches), file)
        file.flush()
        os.fsync(file.fileno())


@dataclass(frozen=True)
class _Payloads:
    """The payloads of the parts that have any, opened one after the other."""

    directory: StepDirectory
    mini_batches: int

    def __iter__(self) -> Iterator[BinaryIO]:
        for index in range(self.mini_batches):
            path = self.directory.part(index)
            if not path.exists():
                continue
            record, payload = open_part(path)
            with payload:
                if record.kind is not None:
                    yield payload


def _common_columns(found: Iterator[Record]) -> tuple[str, ...] | None:
    """The columns of all DataFrames; None if the parts are lists."""
    shapes: dict[tuple[str, tuple[str, ...] | None], list[int]] = {}
    for record in found:
        if record.kind is not None:
            shapes.setdefault((record.kind, record.columns), []).append(record.index)
    if len(shapes) > 1:
        raise MixedReturns(_mixed(shapes))
    return next((columns for _, columns in shapes), None)


def _mixed(shapes: dict[tuple[str, tuple[str, ...] | None], list[int]]) -> str:
    lines = ["run() returned what cannot stand in one file:"]
    for (kind, columns), indexes in shapes.items():
        named = ", ".join(str(index) for index in indexes[:MIXED_NAMED])
        rest = f" and {len(indexes) - MIXED_NAMED} more" if len(indexes) > MIXED_NAMED else ""
        shape = "a list" if columns is None else f"a {kind} with the columns {', '.join(columns)}"
        lines.append(f"  mini-batches {named}{rest}: {shape}")
    lines.append("Return the same kind, with the same columns, from every call.")
    return "\n".join(lines)
