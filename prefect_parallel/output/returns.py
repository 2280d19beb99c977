"""What `run` returned, over all mini-batches of a step: lists, or DataFrames with which columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.output.part import Record

NAMED = 5
"""How many mini-batches of each kind an error names."""


class MixedReturns(PrefectParallelError):
    """Mini-batches returned values that cannot go into one file."""


class MiniBatches:
    """Mini-batches for a message, e.g. `mini-batches 0, 2, 3`: few are named, the rest counted."""

    def __init__(self) -> None:
        self._count = 0
        self._lowest: list[int] = []

    def add(self, index: int) -> None:
        """Add a mini-batch with a higher index than all before it."""
        self._count += 1
        if len(self._lowest) < NAMED:
            self._lowest.append(index)

    def update(self, others: MiniBatches) -> None:
        self._count += others._count
        self._lowest = sorted(self._lowest + others._lowest)[:NAMED]

    def __str__(self) -> str:
        if self._count == 1:
            return f"mini-batch {self._lowest[0]}"
        more = self._count - len(self._lowest)
        shown = ", ".join(map(str, self._lowest))
        return f"mini-batches {shown}{f' and {more:,} more' if more > 0 else ''}"


class Returns:
    """The kinds and the columns of what `run` returned."""

    def __init__(self) -> None:
        self._kinds = defaultdict[str, MiniBatches](MiniBatches)
        self._columns: dict[tuple[str, ...], None] = {}

    def add(self, record: Record) -> None:
        """Add a mini-batch with a higher index than all before it."""
        if record.kind is None:
            return
        self._kinds[record.kind].add(record.index)
        if record.columns is not None:
            self._columns[record.columns] = None

    def common_columns(self) -> tuple[str, ...] | None:
        """The union of the columns of all DataFrames; None if the mini-batches returned lists.

        Raises:
            MixedReturns: Some mini-batches returned lists, and others DataFrames.
        """
        if len(self._kinds) > 1:
            lines = [f"  {indexes}: a {kind}" for kind, indexes in self._kinds.items()]
            raise MixedReturns(
                "\n".join(["run() returned values that cannot go into one file:", *lines]),
                hint="return the same kind from every call",
            )
        if not self._columns:
            return None
        each = dict.fromkeys(each for columns in self._columns for each in numbered(columns))
        return tuple(name for name, _ in each)


def numbered(columns: Iterable[str]) -> list[tuple[str, int]]:
    """Each name with the number of equal ones before it: names may repeat."""
    seen: dict[str, int] = {}
    found = []
    for name in columns:
        found.append((name, seen.get(name, 0)))
        seen[name] = found[-1][1] + 1
    return found
