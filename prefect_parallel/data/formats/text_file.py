"""Text files, read by ranges of bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TypeVar

import numpy as np

from prefect_parallel.data.formats.row_ranges import RowRanges
from prefect_parallel.data.locations.datastores import Datastores
from prefect_parallel.data.locations.location import Location
from prefect_parallel.data.mini_batch import File
from prefect_parallel.errors import UnreadableMiniBatch

_File = TypeVar("_File", bound="TextFile")

_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARK = b"\xff\xfe"
_UTF16_MARK_BIG = b"\xfe\xff"
_UTF32_MARK = b"\xff\xfe\0\0"
_UTF32_MARK_BIG = b"\0\0\xfe\xff"

# Encoding -> codec in Python, bytes per code unit, and dtype of a code unit.
_WIDE = {"utf16": ("utf-16-le", 2, "<u2"), "utf32": ("utf-32-le", 4, "<u4")}

_GZIP_MARK = b"\x1f\x8b"
_PARQUET_MARK = b"PAR1"

_PROBE = 4 * 1024
# Bytes in which planning looks for the end of a line; further on, the reading process does.
_PROBE_LIMIT = 64 * 1024
# Maximum length in bytes of a line or record: larger ones could exhaust the memory of a process.
MAX_RECORD_BYTES = 64 * 1024 * 1024
# Size of the chunks in which a whole file is scanned.
CHUNK_BYTES = 1024 * 1024

# As in the WHATWG encoding standard, the five undefined bytes of windows-1252 are control
# characters of latin1.
_WINDOWS_1252 = {
    code: bytes([code]).decode("cp1252", "ignore") or chr(code) for code in range(0x80, 0xA0)
}


class TextFile:
    """A text file in one of the encodings of MLTable.

    A line belongs to the range of bytes that it starts in.

    Attributes:
        size: Size in bytes.
        begin: Offset of the first line, after a byte order mark.
        skips_cr: Whether a line with only a CR is empty, too.
    """

    skips_cr = True

    def __init__(self, file: File, encoding: str, datastores: Datastores) -> None:
        """Opens the file; the encoding is one of the values of `ENCODINGS`.

        Raises:
            UnreadableMiniBatch: The file cannot be opened, is compressed, or has another encoding.
        """
        path = self.path = file.path
        self.encoding = encoding
        codec, self.unit, self._dtype = _WIDE.get(encoding, ("utf-8", 1, "u1"))
        self._newline = "\n".encode(codec)
        try:
            self._file = Location(path, datastores).open(file.size)
            self.size = self._file.seek(0, io.SEEK_END)
        except OSError as error:
            raise UnreadableMiniBatch(f"{path}: cannot be opened: {error.strerror}") from error
        head = self.read(0, len(_PARQUET_MARK))
        wrong = None
        if head.startswith(_GZIP_MARK):
            wrong = "is compressed with gzip: unpack it"
        elif head == _PARQUET_MARK == self.read(self.size - len(head), self.size):
            wrong = "is a Parquet file, not text"
        elif encoding == "utf16" and head.startswith(_UTF16_MARK_BIG):
            wrong = "is big-endian UTF-16, which MLTable does not support"
        elif encoding == "utf16" and head.startswith(_UTF32_MARK):
            wrong = "is UTF-32, not UTF-16"
        elif encoding == "utf32" and head.startswith(_UTF32_MARK_BIG):
            wrong = "is big-endian UTF-32, which MLTable does not support"
        elif self.size % self.unit:
            wrong = f"is not UTF-{8 * self.unit}: it ends in the middle of a character"
        if wrong:
            self._file.close()
            raise UnreadableMiniBatch(f"{path}: {wrong}")
        marks = {"utf8": _UTF8_MARK, "utf16": _UTF16_MARK, "utf32": _UTF32_MARK}
        mark = marks.get(encoding)
        self.begin = len(mark) if mark and head.startswith(mark) else 0

    def __enter__(self: _File) -> _File:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def read(self, start: int, stop: int) -> bytes:
        """Reads a range of bytes; fewer at the end of the file."""
        try:
            self._file.seek(start)
            return self._file.read(max(0, stop - start))
        except OSError as error:
            raise UnreadableMiniBatch(f"{self.path}: cannot be read: {error.strerror}") from error

    def lines(self, start: int, stop: int | None, *, whole: bool = False) -> bytes:
        """Reads all lines that start in a range, in the encoding of the file.

        Args:
            start: First byte of the range.
            stop: End of the range, exclusive; None: the end of the file.
            whole: Leave out a last line that ends after the range, if there are others.

        Raises:
            UnreadableMiniBatch: The last line is too long.
        """
        start = max(start, self.begin)
        stop = self.size if stop is None else min(stop, self.size)
        if start >= stop:
            return b""
        # The character before `start` tells whether a line starts there.
        base = start if start == self.begin else start - self.unit
        data = self.read(base, stop)
        first = 0 if base == start else self._find_newline(data, 0)
        if first is None:
            return b""
        if first == len(data):
            return b""
        if first:
            data = data[first:]
        if stop == self.size or self._ends_line(data):
            return data
        if whole and (end := self._last_line_end(data)):
            return data[:end]
        return data + self._rest_of_line(stop)

    def _rest_of_line(self, at: int) -> bytes:
        parts: list[bytes] = []
        size = _PROBE
        read = 0
        while read < MAX_RECORD_BYTES:
            more = self.read(at + read, at + read + size)
            end = self._find_newline(more, 0)
            parts.append(more[:end])
            read += len(parts[-1])
            if end is not None or len(more) < size:
                return b"".join(parts)
            size *= 4
        raise UnreadableMiniBatch(
            f"{self.path}: the line around byte {at} is longer than {MAX_RECORD_BYTES} bytes:"
            " is this a text file?"
        )

    def _last_line_end(self, data: bytes) -> int:
        """Position after the last line end; 0 if there is none."""
        at = len(data)
        while (at := data.rfind(self._newline, 0, at)) >= 0:
            if at % self.unit == 0:
                return at + self.unit
            at += len(self._newline) - 1
        return 0

    def cut(self, begin: int, amount: int) -> Iterator[tuple[int, int]]:
        """Splits the file from `begin` on into ranges of about `amount` bytes.

        Ranges start at a line, unless a line is too long to find its end quickly.
        """
        start = begin
        limit = _PROBE_LIMIT
        while start < self.size:
            at = start + amount + (self.begin - start - amount) % self.unit
            stop = self._line_start(at, limit)
            # After such a long line, look less far for the ends of the next ones.
            limit = _PROBE if stop is None else _PROBE_LIMIT
            stop = min(at, self.size) if stop is None else stop
            yield start, stop
            start = stop

    def cut_rows(self, begin: int, wanted: Callable[[], int]) -> Iterator[tuple[int, int, int]]:
        """Splits the file from `begin` on into ranges of exact numbers of rows.

        This reads the whole file.

        Args:
            begin: Offset of the first row.
            wanted: Returns the number of rows of the next range; the last one may have fewer.

        Yields:
            Start and end of a range, and its number of rows.
        """
        rows = RowRanges(begin, self.unit, skips_cr=self.skips_cr)
        yield from rows.ranges(self._scanned(begin, self.size), wanted)
        yield from rows.rest(self.size)

    def _scanned(self, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """Scans a range, a chunk at a time; yields the offsets and code units of chunks."""
        for at in range(start, stop, CHUNK_BYTES):
            yield at, self.scan(self.read(at, min(at + CHUNK_BYTES, stop)))

    def _line_start(self, at: int, limit: int) -> int | None:
        """Start of the first line from `at` on; None if it is not within `limit` bytes."""
        probe = _PROBE
        while at < self.size:
            data = self.read(at - self.unit, at + probe)
            end = self._find_newline(data, 0)
            if end is not None:
                return at - self.unit + end
            if len(data) < probe + self.unit:
                break
            if probe >= limit:
                return None
            probe *= 4
        return self.size

    def _find_newline(self, data: bytes, start: int) -> int | None:
        """Position after the next line end."""
        while True:
            at = data.find(self._newline, start)
            if at < 0:
                return None
            if at % self.unit == 0:
                return at + self.unit
            start = at + 1

    def _ends_line(self, data: bytes) -> bool:
        return data.endswith(self._newline) and len(data) % self.unit == 0

    def to_utf8(self, data: bytes, at: int = 0) -> bytes:
        """Converts bytes of the file, which are at an offset in it, to UTF-8.

        Raises:
            UnreadableMiniBatch: They are invalid in the encoding of the file.
        """
        try:
            if self.encoding == "windows1252":
                return data.decode("latin-1").translate(_WINDOWS_1252).encode()
            if self.unit > 1:
                return data.decode(_WIDE[self.encoding][0]).encode()
            if not data.isascii():
                data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UnreadableMiniBatch(
                f"{self.path}: byte {at + error.start} is not {self.encoding}: {error.reason}",
                hint="set `encoding` in the read transformation to the encoding of the file",
            ) from error
        return data

    def scan(self, data: bytes) -> bytes:
        """One byte for each code unit of the file: its value, or 255 if that is larger.

        Line feeds, quotes and delimiters can be found in it, at their offset divided by `unit`.
        """
        if self.unit == 1:
            return data
        whole = len(data) // self.unit * self.unit
        units = np.minimum(np.frombuffer(data[:whole], self._dtype), 255)
        return bytes(units.astype("u1"))


# Encodings in MLTable files. As in Azure's mltable 1.7, ascii is read as utf8, and latin1 as
# windows1252. Azure's reference also has utf8bom and utf32.
ENCODINGS = {
    "utf8bom": "utf8",
    "utf32": "utf32",
    "utf8": "utf8",
    "utf-8": "utf8",
    "ascii": "utf8",
    "utf16": "utf16",
    "utf-16": "utf16",
    "iso88591": "windows1252",
    "iso-8859-1": "windows1252",
    "latin1": "windows1252",
    "latin-1": "windows1252",
    "windows1252": "windows1252",
    "windows-1252": "windows1252",
}
