"""Some rows of a table on their way from a file to a DataFrame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

# A list where values of several kinds, or nested ones, stand in one column, as JSON allows.
Column: TypeAlias = "pa.Array[Any] | list[Any]"


@dataclass(frozen=True)
class RowBatch:
    """Columns of the same length, by name, in their order.

    Attributes:
        values_set_to_null: Column to the number of values that did not fit its type, in all rows
            that these come from.
    """

    columns: dict[str, Column]
    rows: int
    values_set_to_null: Counter[str] = field(default_factory=Counter)

    def slice(self, start: int, stop: int) -> RowBatch:
        """The rows from `start` up to, not including, `stop`."""
        columns = {name: column[start:stop] for name, column in self.columns.items()}
        return replace(self, columns=columns, rows=max(0, stop - start))

    def where(self, mask: pa.Array[Any]) -> RowBatch:
        """The rows at which `mask`, an array of booleans, is true."""
        return self.take(pc.indices_nonzero(mask))

    def take(self, rows: pa.Array[Any]) -> RowBatch:
        """These rows, an array of integers, in this order."""
        columns: dict[str, Column] = {
            name: column.take(rows)
            if isinstance(column, pa.Array)
            else [column[row] for row in rows.to_pylist()]
            for name, column in self.columns.items()
        }
        return replace(self, columns=columns, rows=len(rows))

    def select(self, names: Iterable[str]) -> RowBatch:
        """Only these columns."""
        return replace(self, columns={name: self.columns[name] for name in names})

    def with_columns(self, columns: Mapping[str, Column]) -> RowBatch:
        """With some columns replaced, or added at the end."""
        return replace(self, columns={**self.columns, **columns})

    def with_nulls(self, lost: Mapping[str, int]) -> RowBatch:
        """With more values counted that did not fit."""
        return replace(self, values_set_to_null=self.values_set_to_null + Counter(lost))
