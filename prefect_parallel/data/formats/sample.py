"""The sample of rows from which types of text columns are inferred."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from prefect_parallel.data.columns import kinds
from prefect_parallel.data.columns.kinds import Kind
from prefect_parallel.data.transformations.transforms import PATH


class Sample:
    """The first rows of a table: sampled values by column.

    Args:
        size: The number of rows.
        exact: Whether a column is text if another kind would lose or change one of its values.
    """

    def __init__(self, size: int, *, exact: bool) -> None:
        self.columns: dict[str, list[str | None]] = {}
        self._size = size
        self._exact = exact
        self._rows = 0
        self._found_none = False
        self._follows: set[str] = set()

    @property
    def full(self) -> bool:
        """Whether no more rows are needed or found."""
        return self._rows >= self._size or self._found_none

    def add(self, path_columns: dict[str, Any], columns: dict[str, pa.Array[Any]]) -> None:
        """Adds the rows of a piece."""
        rows = len(next(iter(columns.values()))) if columns else 0
        self._found_none = not rows
        if not rows:
            return
        left = max(0, self._size - self._rows)
        for name, value in path_columns.items():
            if name != PATH and pa.types.is_string(value.type):
                self._add(name, pa.repeat(value[0], rows), left)
        for name, column in columns.items():
            self._add(name, column, left)
        self._rows += rows

    def _add(self, name: str, column: pa.Array[Any], left: int) -> None:
        self.columns.setdefault(name, []).extend(column[:left].to_pylist())
        if column[left:].null_count < len(column[left:]):
            self._follows.add(name)

    def expect(self, names: Iterable[str]) -> None:
        """Adds columns that no row has a value for yet."""
        for name in names:
            self.columns.setdefault(name, [])

    def kinds(self, infers: bool, complete: bool, overrides: dict[str, Kind]) -> dict[str, Kind]:
        return {
            name: overrides.get(name) or self._kind(name, values, infers, complete)
            for name, values in self.columns.items()
        }

    def _kind(self, name: str, values: Sequence[str | None], infers: bool, complete: bool) -> Kind:
        kind = kinds.infer(values, exact=self._exact) if infers else kinds.TEXT
        if kind == kinds.NOTHING and (name in self._follows or not complete):
            return kinds.TEXT
        return kind
