"""Batches of rows on their way from a file to a DataFrame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

# A list if the column has values of several types, or nested ones, which JSON allows.
Column: TypeAlias = "pa.Array[Any] | list[Any]"


@dataclass(frozen=True)
class RowBatch:
    """Columns of equal length, by name and in order.

    Attributes:
        values_set_to_null: Number of values by column that did not fit its type, counted in all
            rows that these were selected from.
        uneven_rows: Number of rows of those with fewer or more cells than their header.
        first_uneven_row: Where the first of them is; empty if there is none.
    """

    columns: dict[str, Column]
    rows: int
    values_set_to_null: Counter[str] = field(default_factory=Counter)
    uneven_rows: int = 0
    first_uneven_row: str = ""

    def slice(self, start: int, stop: int) -> RowBatch:
        """Rows from `start` up to, but not including, `stop`."""
        columns = {name: column[start:stop] for name, column in self.columns.items()}
        return replace(self, columns=columns, rows=max(0, stop - start))

    def where(self, mask: pa.Array[Any]) -> RowBatch:
        """Rows for which `mask`, an array of booleans, is true."""
        return self.take(pc.indices_nonzero(mask))

    def take(self, rows: pa.Array[Any]) -> RowBatch:
        """Rows at the positions `rows`, an array of integers, in that order."""
        columns: dict[str, Column] = {
            name: column.take(rows)
            if isinstance(column, pa.Array)
            else [column[row] for row in rows.to_pylist()]
            for name, column in self.columns.items()
        }
        return replace(self, columns=columns, rows=len(rows))

    def select(self, names: Iterable[str]) -> RowBatch:
        """A batch with only these columns."""
        return replace(self, columns={name: self.columns[name] for name in names})

    def with_columns(self, columns: Mapping[str, Column]) -> RowBatch:
        """A batch with columns replaced, or added at the end."""
        return replace(self, columns={**self.columns, **columns})

    def with_nulls(self, lost: Mapping[str, int]) -> RowBatch:
        """A batch with more values counted as set to null."""
        return replace(self, values_set_to_null=self.values_set_to_null + Counter(lost))
