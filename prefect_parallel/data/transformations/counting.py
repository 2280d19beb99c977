"""Transformations that keep or drop a row by its number in the whole table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from prefect_parallel.data.columns.row_batch import RowBatch


class CountingTransform(ABC):
    """One of them; numbers of rows start at 0."""

    @abstractmethod
    def apply(self, batch: RowBatch, first: int) -> RowBatch:
        """What stays of rows from number `first` on."""

    @abstractmethod
    def count_kept(self, first: int, rows: int) -> int:
        """How many stay of so many rows from number `first` on."""

    def drops_all_from(self, first: int) -> bool:
        """Whether no row from number `first` on stays."""
        return False

    def keeps_all_from(self, first: int) -> bool:
        """Whether all rows from number `first` on stay."""
        return False


@dataclass(frozen=True)
class Skip(CountingTransform):
    """`skip`."""

    count: int

    def apply(self, batch: RowBatch, first: int) -> RowBatch:
        return batch.slice(batch.rows - self.count_kept(first, batch.rows), batch.rows)

    def count_kept(self, first: int, rows: int) -> int:
        return rows - min(max(self.count - first, 0), rows)

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
    """`take_random_sample`: the draw of a row depends on its number and the seed alone."""

    probability: float
    seed: int

    def apply(self, batch: RowBatch, first: int) -> RowBatch:
        return batch.where(pa.array(self._drawn(first, batch.rows)))

    def count_kept(self, first: int, rows: int) -> int:
        return int(self._drawn(first, rows).sum())

    def _drawn(self, first: int, rows: int) -> np.ndarray:
        # One 64-bit output of the generator is one random().
        generator = np.random.PCG64(self.seed).advance(first)
        return np.random.Generator(generator).random(rows) < self.probability
