"""Ranges of bytes with exact numbers of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np


class RowRanges:
    """Splits text into ranges of complete rows.

    Attributes:
        line_start: Offset of the line that the scanned text has not ended.
    """

    def __init__(self, begin: int, unit: int, *, skips_cr: bool) -> None:
        """Starts at an offset.

        Args:
            begin: Offset of the first row.
            unit: Bytes per code unit.
            skips_cr: Whether a line with only a CR is empty, too.
        """
        self.line_start = self._start = begin
        self._unit = unit
        self._skips_cr = skips_cr
        self._last = 0
        self._rows = 0

    def ranges(
        self, chunks: Iterable[tuple[int, bytes]], wanted: Callable[[], int]
    ) -> Iterator[tuple[int, int, int]]:
        """Yields the start and end of ranges, and their number of rows.

        Args:
            chunks: Offsets, and one byte for each code unit from there on; a row ends at each LF.
            wanted: Returns the number of rows of the next range; called before each of them.
        """
        count = wanted()
        for at, units in chunks:
            ends = self._row_ends(at, units)
            used = 0
            while self._rows + len(ends) - used >= count:
                used += count - self._rows
                stop = int(ends[used - 1])
                yield self._start, stop, count
                self._start, self._rows, count = stop, 0, wanted()
            self._rows += len(ends) - used

    def rest(self, stop: int) -> Iterator[tuple[int, int, int]]:
        """Yields the range after the last one if it has rows.

        Args:
            stop: Where it ends; a line that ends there without LF is a row.
        """
        rows = self._rows + (self.line_start < stop)
        if rows:
            yield self._start, stop, rows
        self._start, self._rows = stop, 0

    def _row_ends(self, at: int, units: bytes) -> np.ndarray:
        """The offsets after the rows that end in a chunk."""
        codes = np.frombuffer(units, np.uint8)
        line_feeds = np.flatnonzero(codes == ord("\n"))
        if not len(codes):
            return line_feeds
        ends = at + (line_feeds + 1) * self._unit
        sizes = np.diff(ends, prepend=self.line_start) // self._unit
        is_row = sizes > 1
        if self._skips_cr:
            before = np.append(codes, self._last)[line_feeds - 1]
            is_row &= (sizes != 2) | (before != ord("\r"))
        self._last = int(codes[-1])
        if len(ends):
            self.line_start = int(ends[-1])
        return ends[is_row]
