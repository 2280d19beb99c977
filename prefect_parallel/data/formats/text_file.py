"""Files of lines, read a range of bytes at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import TracebackType

import numpy as np

from prefect_parallel.data.locations.datastores import Datastores
from prefect_parallel.data.locations.location import Location
from prefect_parallel.data.mini_batch import File
from prefect_parallel.errors import UnreadableMiniBatch

_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARK = b"\xff\xfe"
_UTF16_MARK_BIG = b"\xfe\xff"

_GZIP_MARK = b"\x1f\x8b"

_PROBE = 4 * 1024
# How far planning looks for the end of a line; behind that, the reading process looks.
_PROBE_LIMIT = 64 * 1024
# One that is longer would not fit into the memory of a process, and is most likely no line.
_LONGEST_LINE = 64 * 1024 * 1024

# As the WHATWG encoding standard has it: windows-1252 leaves five bytes undefined, which stand for
# the control characters of latin1 there.
_WINDOWS_1252 = {
    code: bytes([code]).decode("cp1252", "ignore") or chr(code) for code in range(0x80, 0xA0)
}


class TextFile:
    """A file of lines in one of the encodings that MLTable knows.

    A line belongs to the range of bytes in which it starts.

    Attributes:
        size: In bytes.
        begin: Where the first line starts: behind a byte order mark.
    """

    def __init__(self, file: File, encoding: str, datastores: Datastores) -> None:
        """Opens it.

        Args:
            file: The file.
            encoding: One of the values of `ENCODINGS`.
            datastores: Those that its URL names.

        Raises:
            UnreadableMiniBatch: It cannot be opened.
        """
        path = self.path = file.path
        self.encoding = encoding
        self.unit = 2 if encoding == "utf16" else 1
        self._newline = "\n".encode("utf-16-le") if encoding == "utf16" else b"\n"
        try:
            self._file = Location(path, datastores).open(file.size)
            self.size = self._file.seek(0, io.SEEK_END)
        except OSError as error:
            raise UnreadableMiniBatch(f"{path}: cannot be opened: {error.strerror}") from error
        head = self.read(0, len(_UTF8_MARK))
        wrong = None
        if head.startswith(_GZIP_MARK):
            wrong = "is compressed with gzip: unpack it"
        elif encoding == "utf16" and head.startswith(_UTF16_MARK_BIG):
            wrong = "is big-endian UTF-16, which MLTable does not support"
        elif self.size % self.unit:
            wrong = "is not UTF-16: it ends in the middle of a character"
        if wrong:
            self._file.close()
            raise UnreadableMiniBatch(f"{path}: {wrong}")
        mark = {"utf16": _UTF16_MARK, "utf8": _UTF8_MARK}.get(encoding)
        self.begin = len(mark) if mark and head.startswith(mark) else 0

    def __enter__(self) -> TextFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def read(self, start: int, stop: int) -> bytes:
        """The raw bytes of a range; fewer at the file's end.

        Raises:
            UnreadableMiniBatch: They cannot be read.
        """
        try:
            self._file.seek(start)
            return self._file.read(max(0, stop - start))
        except OSError as error:
            raise UnreadableMiniBatch(f"{self.path}: cannot be read: {error.strerror}") from error

    def lines(self, start: int, stop: int | None, *, whole: bool = False) -> bytes:
        """The raw bytes of all lines that start in a range.

        Args:
            start: First byte of the range.
            stop: The one behind its last; None: the file's end.
            whole: Leave out a last line that ends behind the range, if there are others.

        Raises:
            UnreadableMiniBatch: The last line is too long.
        """
        start = max(start, self.begin)
        stop = self.size if stop is None else min(stop, self.size)
        if start >= stop:
            return b""
        # The byte before tells whether a line starts at `start`.
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
        while read < _LONGEST_LINE:
            more = self.read(at + read, at + read + size)
            end = self._find_newline(more, 0)
            parts.append(more[:end])
            read += len(parts[-1])
            if end is not None or len(more) < size:
                return b"".join(parts)
            size *= 4
        raise UnreadableMiniBatch(
            f"{self.path}: the line around byte {at} is longer than {_LONGEST_LINE} bytes:"
            " is this a text file?"
        )

    def _last_line_end(self, data: bytes) -> int:
        """The place behind the last line end; 0 if there is none."""
        at = len(data)
        while (at := data.rfind(self._newline, 0, at)) >= 0:
            if at % self.unit == 0:
                return at + self.unit
            at += len(self._newline) - 1
        return 0

    def cut(self, begin: int, amount: int) -> Iterator[tuple[int, int]]:
        """Ranges of about `amount` bytes from `begin` to the end.

        Each starts and ends with a line, unless that needs more than a short look.
        """
        start = begin
        limit = _PROBE_LIMIT
        while start < self.size:
            at = start + amount + (start + amount - self.begin) % self.unit
            stop = self._line_start(at, limit)
            # Where lines are that long, the next ones are not looked for as far.
            limit = _PROBE if stop is None else _PROBE_LIMIT
            stop = min(at, self.size) if stop is None else stop
            yield start, stop
            start = stop

    def _line_start(self, at: int, limit: int) -> int | None:
        """The start of the first line from `at` on; None if it is further away than `limit`."""
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
        """The place behind the next line end."""
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
        """Recodes raw bytes.

        Args:
            data: The bytes.
            at: Where they stand in the file, for the message.

        Raises:
            UnreadableMiniBatch: They are not of the file's encoding.
        """
        try:
            if self.encoding == "windows1252":
                return data.decode("latin-1").translate(_WINDOWS_1252).encode()
            if self.encoding == "utf16":
                return data.decode("utf-16-le").encode()
            if not data.isascii():
                data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UnreadableMiniBatch(
                f"{self.path}: byte {at + error.start} is not {self.encoding}: {error.reason}",
                hint="set `encoding` in the read transformation to the encoding of the file",
            ) from error
        return data

    def scan(self, data: bytes) -> bytes:
        """One byte for each unit of raw bytes: its value, or 255 if that is larger.

        What stands for LF, quotes and delimiters in it is such in the text, at `place * unit`.
        """
        if self.unit == 1:
            return data
        whole = len(data) // 2 * 2
        units = np.minimum(np.frombuffer(data[:whole], "<u2"), 255)
        return bytes(units.astype("u1"))


# The names that MLTable accepts; ascii decodes like utf8 and latin1 like windows1252, as in the
# reference.
ENCODINGS = {
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
