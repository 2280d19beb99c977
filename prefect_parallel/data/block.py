"""Some rows of a table on their way from a file to a DataFrame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

# A list where values of several kinds, or nested ones, stand in one column, as JSON allows.
Column: TypeAlias = "pa.Array[Any] | list[Any]"


@dataclass(frozen=True)
class Block:
    """Columns of the same length, by name, in their order."""

    columns: dict[str, Column]
    rows: int

    def slice(self, start: int, stop: int) -> Block:
        """The rows from `start` up to, not including, `stop`."""
        return Block({n: c[start:stop] for n, c in self.columns.items()}, max(0, stop - start))

    def where(self, mask: pa.Array[Any]) -> Block:
        """The rows at which `mask`, an array of booleans, is true."""
        return self.take(pc.indices_nonzero(mask))

    def take(self, rows: pa.Array[Any]) -> Block:
        """These rows, an array of integers, in this order."""
        return Block(
            {
                name: column.take(rows)
                if isinstance(column, pa.Array)
                else [column[row] for row in rows.to_pylist()]
                for name, column in self.columns.items()
            },
            len(rows),
        )

    def select(self, names: Iterable[str]) -> Block:
        """Only these columns."""
        return Block({name: self.columns[name] for name in names}, self.rows)

    def with_columns(self, columns: dict[str, Column]) -> Block:
        """With some columns replaced, or added at the end."""
        return Block({**self.columns, **columns}, self.rows)
