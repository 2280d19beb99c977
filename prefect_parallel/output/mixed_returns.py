"""The error that the results of mini-batches do not fit together, and how it names them."""

from __future__ import annotations

from collections.abc import Iterable

from prefect_parallel.errors import PrefectParallelError

NAMED = 5
"""How many mini-batches of each kind an error names."""


class MixedReturns(PrefectParallelError):
    """Mini-batches returned values that cannot go into one file."""


class MiniBatches:
    """Mini-batches for a message, e.g. `mini-batches 0, 2, 3`: few are named, the rest counted."""

    def __init__(self) -> None:
        self._count = 0
        self._last = -1
        self._lowest: list[int] = []

    @classmethod
    def union(cls, all_of_them: Iterable[MiniBatches]) -> MiniBatches:
        """All of some disjoint ones."""
        union = cls()
        for each in all_of_them:
            union._count += each._count
            union._lowest = sorted({*union._lowest, *each._lowest})[:NAMED]
        return union

    def add(self, index: int) -> None:
        """Add a mini-batch; pieces of one come one after the other, and count once."""
        if index == self._last:
            return
        self._count, self._last = self._count + 1, index
        if len(self._lowest) < NAMED or index < self._lowest[-1]:
            self._lowest = sorted([*self._lowest, index])[:NAMED]

    def __str__(self) -> str:
        if self._count == 1:
            return f"mini-batch {self._lowest[0]}"
        more = self._count - len(self._lowest)
        shown = ", ".join(map(str, self._lowest))
        return f"mini-batches {shown}{f' and {more:,} more' if more > 0 else ''}"
