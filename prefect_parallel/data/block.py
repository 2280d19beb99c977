"""Some rows of a table on their way from a file to a DataFrame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa

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

    def where(self, mask: Sequence[bool]) -> Block:
        """The rows at which `mask` is true; null counts as false."""
        chosen = pa.array(mask, pa.bool_()) if not isinstance(mask, pa.Array) else mask
        flags = chosen.to_pylist()
        return Block(
            {
                name: column.filter(chosen)
                if isinstance(column, pa.Array)
                else [value for value, keep in zip(column, flags, strict=True) if keep]
                for name, column in self.columns.items()
            },
            sum(flag is True for flag in flags),
        )

    def take(self, rows: Sequence[int]) -> Block:
        """These rows, in this order."""
        chosen = pa.array(rows, pa.int64())
        return Block(
            {
                name: column.take(chosen)
                if isinstance(column, pa.Array)
                else [column[row] for row in rows]
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
