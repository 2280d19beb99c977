"""Files of delimited text, read by ranges of records."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prefect_parallel.data.formats.delimited_text import Cell, Dialect, QuoteMask
from prefect_parallel.data.formats.row_ranges import RowRanges
from prefect_parallel.data.formats.text_file import CHUNK_BYTES, MAX_RECORD_BYTES, TextFile
from prefect_parallel.data.locations.datastores import Datastores
from prefect_parallel.data.mini_batch import File
from prefect_parallel.errors import UnreadableMiniBatch

_HEAD_BYTES = 4 * 1024


class RecordFile(TextFile):
    """A file of records, which may span lines if the dialect is `multi_line`."""

    def __init__(self, file: File, encoding: str, datastores: Datastores, dialect: Dialect) -> None:
        super().__init__(file, encoding, datastores)
        self._dialect = dialect
        self.skips_cr = dialect.multi_line

    def cut(self, begin: int, amount: int) -> Iterator[tuple[int, int]]:
        """Splits the file from `begin` on into ranges of about `amount` bytes.

        If records may span lines, this reads the whole file to find their ends. The last range then
        starts at a record whose quote is never closed, if there is one.
        """
        if not self._dialect.multi_line:
            yield from super().cut(begin, amount)
            return
        start = record = begin
        mask = QuoteMask(self._dialect.delimiter)
        for at, masked in self._masked(mask, begin, self.size):
            while end := masked.find(b"\n", max((start + amount - at - 1) // self.unit, 0)) + 1:
                yield start, at + end * self.unit
                start = at + end * self.unit
            record = at + (masked.rfind(b"\n") + 1) * self.unit if b"\n" in masked else record
        if mask.open_at is not None and start < record:
            yield start, record
            start = record
        if start < self.size:
            yield start, self.size

    def cut_rows(self, begin: int, wanted: Callable[[], int]) -> Iterator[tuple[int, int, int]]:
        if not self._dialect.multi_line:
            yield from super().cut_rows(begin, wanted)
            return
        rows = RowRanges(begin, self.unit, skips_cr=self.skips_cr)
        mask = QuoteMask(self._dialect.delimiter)
        yield from rows.ranges(self._masked(mask, begin, self.size), wanted)
        if mask.open_at is not None:
            # Only the record whose quote is never closed cannot be read.
            yield from rows.rest(rows.line_start)
        yield from rows.rest(self.size)

    def first_row(self) -> list[Cell]:
        """The cells of the first record."""
        start, stop = self.first_record()
        record = self.to_utf8(self.read(start, stop), start).decode()
        return next(self._dialect.rows(record), [])

    def first_record(self) -> tuple[int, int]:
        """Start and end of the first record that is not empty.

        Raises:
            UnreadableMiniBatch: It is too long, or its quote is never closed.
        """
        size = _HEAD_BYTES
        skipped = (b"\n", b"\r\n") if self._dialect.multi_line else (b"\n",)
        while size <= MAX_RECORD_BYTES:
            data = self.read(self.begin, self.begin + size)
            ended = self.begin + len(data) >= self.size
            mask = QuoteMask(self._dialect.delimiter)
            masked = self.scan(data)
            masked = mask(masked) if self._dialect.multi_line else masked
            start = 0
            while start < len(masked):
                end = masked.find(b"\n", start) + 1
                if end == 0 and not ended:
                    break
                if end == 0 and mask.open_at is not None:
                    raise self._unclosed_quote(self.begin + mask.open_at * self.unit)
                end = end or len(masked)
                if masked[start:end] not in skipped:
                    return self.begin + start * self.unit, self.begin + end * self.unit
                start = end
            if ended:
                return self.size, self.size
            size *= 4
        raise UnreadableMiniBatch(
            f"{self.path}: the header is longer than {MAX_RECORD_BYTES} bytes"
        )

    def records(self, start: int, stop: int | None, *, whole: bool) -> bytes:
        """Reads all records that start in a range, in UTF-8; arguments as for `TextFile.lines`.

        Raises:
            UnreadableMiniBatch: A record is too long, or the bytes have another encoding.
        """
        if not self._dialect.multi_line:
            return self.to_utf8(self.lines(start, stop, whole=whole), start)
        start = max(start, self.begin)
        stop = self.size if stop is None else stop
        if stop - start > MAX_RECORD_BYTES:
            mask = QuoteMask(self._dialect.delimiter)
            head = self._masked(mask, start, start + MAX_RECORD_BYTES)
            if not any(b"\n" in masked for _, masked in head) and mask.open_at is not None:
                raise self._unclosed_quote(start + mask.open_at * self.unit)
        return self.to_utf8(self.read(start, stop), start)

    def unclosed_quote(self, start: int, stop: int | None) -> UnreadableMiniBatch:
        """The error for a range of records of which the last has a quote that is never closed."""
        mask = QuoteMask(self._dialect.delimiter)
        start = max(start, self.begin)
        for _ in self._masked(mask, start, self.size if stop is None else stop):
            pass
        return self._unclosed_quote(start + (mask.open_at or 0) * self.unit)

    def place_of_line(self, start: int, line: int) -> str:
        """Names a line for messages, given how many lines are between it and an offset."""
        if start > CHUNK_BYTES:  # Counting the lines before it would take too long.
            return f"{self.path}, line {line + 1} after byte {start}"
        return f"{self.path}, line {self._line_at(start) + line}"

    def _masked(self, mask: QuoteMask, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """Reads a range with quoted cells masked, a chunk at a time, each with its offset."""
        size = CHUNK_BYTES
        while start < stop:
            end = min(start + size, stop)
            masked = mask(self.scan(self.read(start, end)), end == stop)
            yield start, masked
            start += len(masked) * self.unit
            # A chunk may be nothing but quotes.
            size = CHUNK_BYTES if masked else 2 * size

    def _unclosed_quote(self, at: int) -> UnreadableMiniBatch:
        return UnreadableMiniBatch(
            f"{self.path}, line {self._line_at(at)}: a quote is never closed",
            hint=f"close it (a record has at most {MAX_RECORD_BYTES} bytes), or set"
            " `support_multi_line: false`",
        )

    def _line_at(self, at: int) -> int:
        """The number, from 1, of the line at an offset."""
        return 1 + sum(units.count(b"\n") for _, units in self._scanned(0, at))
