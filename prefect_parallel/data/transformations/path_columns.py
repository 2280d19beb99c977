"""Columns from the path of a file, by partition formats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from prefect_parallel.data.columns.row_batch import Column, RowBatch
from prefect_parallel.data.mltable.mltable import TransformationSpec
from prefect_parallel.data.transformations.transforms import PATH, Transforms

# Transformations that only filter files.
_OF_ROWS = ("filter", "skip", "take", "take_random_sample")


class PathColumns:
    """Computes the columns that the path of a file gives."""

    def __init__(self, specs: Iterable[TransformationSpec], include_path: bool) -> None:
        self._transforms = Transforms(
            (name, options) for name, options in specs if name not in _OF_ROWS
        )
        self._include_path = include_path
        self._last: tuple[str, dict[str, Any]] = ("", {})

    @property
    def names(self) -> list[str]:
        return list(self.of("/"))

    def of(self, path: str) -> dict[str, Any]:
        """The columns for a path, each an array of one value; `Path` first, if included."""
        if self._last[0] != path:
            batch, _ = self._transforms.apply(path_batch([path]), ())
            columns = {n: c for n, c in batch.columns.items() if n != PATH or self._include_path}
            self._last = path, columns
        return self._last[1]


def put_in_front(path_columns: dict[str, Any], batch: RowBatch) -> RowBatch:
    """Adds path columns before the columns of a batch.

    Raises:
        ValueError: The batch already has such a column.
    """
    return replace(batch, columns={**_spread(path_columns, batch), **batch.columns})


def put_around(path_columns: dict[str, Any], batch: RowBatch) -> RowBatch:
    """Adds `Path` before the columns of a batch, and other path columns after them.

    Raises:
        ValueError: The batch already has such a column.
    """
    spread = _spread(path_columns, batch)
    lead = {name: spread.pop(name) for name in (PATH,) if name in spread}
    return replace(batch, columns={**lead, **batch.columns, **spread})


def _spread(path_columns: dict[str, Any], batch: RowBatch) -> dict[str, Column]:
    """Repeats each value for all rows of the batch."""
    clash = next((name for name in path_columns if name in batch.columns), None)
    if clash is not None:
        raise ValueError(f"the column {clash!r} is both in the data and in the path")
    return {name: pa.repeat(value[0], batch.rows) for name, value in path_columns.items()}


def path_batch(paths: Sequence[str]) -> RowBatch:
    """A table with the column `Path`, in which bytes that are not UTF-8 are escaped."""
    texts = [
        path.encode(errors="surrogateescape").decode(errors="backslashreplace") for path in paths
    ]
    return RowBatch({PATH: pa.array(texts, pa.string())}, len(paths))
