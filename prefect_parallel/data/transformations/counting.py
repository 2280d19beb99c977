"""Transformations that keep or drop a row by its position in the whole table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from prefect_parallel.data.columns.row_batch import RowBatch

_ROWS_AT_A_TIME = 64 * 1024
# Rows searched for one piece, at most. If `probability` is so small that fewer of them are kept
# than wanted, the piece has fewer rows.
_MOST_ROWS = 256 * _ROWS_AT_A_TIME


class CountingTransform(ABC):
    """A transformation by position; positions start at 0."""

    @abstractmethod
    def apply(self, batch: RowBatch, first: int) -> RowBatch:
        """Filters rows that start at position `first`."""

    @abstractmethod
    def count_kept(self, first: int, rows: int) -> int:
        """Number of rows kept of `rows` rows that start at position `first`."""

    def rows_for(self, first: int, kept: int) -> int:
        """Number of rows, at least 1, of which `kept` are kept if they start at position `first`.

        Rows that are dropped before the first one that is kept are counted alone.
        """
        return kept

    def drops_all_from(self, first: int) -> bool:
        """Whether all rows from position `first` on are dropped."""
        return False

    def keeps_all_from(self, first: int) -> bool:
        """Whether all rows from position `first` on are kept."""
        return False


@dataclass(frozen=True)
class Skip(CountingTransform):
    """`skip`."""

    count: int

    def apply(self, batch: RowBatch, first: int) -> RowBatch:
        return batch.slice(batch.rows - self.count_kept(first, batch.rows), batch.rows)

    def count_kept(self, first: int, rows: int) -> int:
        return rows - min(max(self.count - first, 0), rows)

    def rows_for(self, first: int, kept: int) -> int:
        return self.count - first if first < self.count else kept

    def keeps_all_from(self, first: int) -> bool:
        return first >= self.count


@dataclass(frozen=True)
class Take(CountingTransform):
    """`take`."""

    count: int

    def apply(self, batch: RowBatch, first: int) -> RowBatch:
        return batch.slice(0, self.count_kept(first, batch.rows))

    def count_kept(self, first: int, rows: int) -> int:
        return min(max(self.count - first, 0), rows)

    def drops_all_from(self, first: int) -> bool:
        return first >= self.count


@dataclass(frozen=True)
class RandomSample(CountingTransform):
    """`take_random_sample`: the draw of a row depends only on its position and the seed."""

    probability: float
    seed: int = 0

    def apply(self, batch: RowBatch, first: int) -> RowBatch:
        return batch.where(pa.array(self._drawn(first, batch.rows)))

    def count_kept(self, first: int, rows: int) -> int:
        return int(self._drawn(first, rows).sum())

    def rows_for(self, first: int, kept: int) -> int:
        rows = 0
        while rows < _MOST_ROWS:
            drawn = np.flatnonzero(self._drawn(first + rows, _ROWS_AT_A_TIME))
            if len(drawn) >= kept:
                return rows + int(drawn[kept - 1]) + 1
            kept -= len(drawn)
            rows += _ROWS_AT_A_TIME
        return rows

    def _drawn(self, first: int, rows: int) -> np.ndarray:
        # random() consumes one 64-bit output of the generator.
        generator = np.random.PCG64(self.seed).advance(first)
        return np.random.Generator(generator).random(rows) < self.probability
