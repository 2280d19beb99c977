"""A part of the work: which mini-batches of each parallel step run."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from prefect_parallel.errors import InvalidCall

_RANGES = re.compile(r"\d{1,9}(-\d{1,9})?(,\d{1,9}(-\d{1,9})?)*", re.ASCII)


@dataclass(frozen=True)
class Selection:
    """The mini-batches of each parallel step that run; by default all. At most one is given.

    Attributes:
        first: Number of mini-batches from the beginning.
        sample: Number of mini-batches, spread evenly over the input.
        only: Indexes from 0, and ranges that include their ends: `3,17-20`.

    Raises:
        InvalidCall: More than one is given, or a value is not allowed.
    """

    first: int | None = None
    sample: int | None = None
    only: str | None = None

    def __post_init__(self) -> None:
        given = {name: value for name, value in vars(self).items() if value is not None}
        if len(given) > 1:
            raise InvalidCall(f"found {' and '.join(given)}", allowed="one of first, sample, only")
        for name in ("first", "sample"):
            if name in given and given[name] < 1:
                raise InvalidCall(
                    f"{name}: found {given[name]}", allowed="a number of mini-batches, 1 or more"
                )
        list(self._ranges())

    def __str__(self) -> str:
        return next(
            (f"--{name} {value}" for name, value in vars(self).items() if value is not None), "all"
        )

    def indexes(self, count: int) -> Collection[int]:
        """The indexes that are selected of so many mini-batches."""
        if self.first is not None:
            return range(min(self.first, count))
        if self.sample is not None:
            size = min(self.sample, count)
            return {(2 * number + 1) * count // (2 * size) for number in range(size)}
        if self.only is not None:
            ranges = (range(each.start, min(each.stop, count)) for each in self._ranges())
            return {index for each in ranges for index in each}
        return range(count)

    def _ranges(self) -> Iterator[range]:
        if self.only is None:
            return
        text = self.only.replace(" ", "")
        allowed = "indexes and ranges of mini-batches, from 0, e.g. 3,17-20"
        if not _RANGES.fullmatch(text):
            raise InvalidCall(f"only: found {self.only!r}", allowed=allowed)
        for each in text.split(","):
            first, _, last = each.partition("-")
            if int(last or first) < int(first):
                raise InvalidCall(
                    f"only: found {each}, which ends before it begins", allowed=allowed
                )
            yield range(int(first), int(last or first) + 1)


ALL = Selection()
