"""Parsing of delimited text.

The rules of Azure's mltable 1.7: LF and CRLF end a line, and a CR at the end of the text; empty
lines are skipped, but a line with only a CR is a row; a quote is special only as the first
character of a cell, and doubled within; an empty cell is null unless it is quoted. On a single
line, a quote that is never closed is an ordinary character.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import csv

from prefect_parallel.data.columns.kinds import BOOLEANS

Cell = str | None


class UnclosedQuote(ValueError):
    """A quote is never closed."""


class TextColumns(NamedTuple):
    """Columns of text.

    Attributes:
        uneven_rows: Number of rows with fewer or more cells than wanted.
        first_uneven_line: Number of line feeds before the first of them.
    """

    columns: list[pa.Array[Any]]
    uneven_rows: int
    first_uneven_line: int


@dataclass(frozen=True)
class Dialect:
    """A dialect of delimited text.

    Attributes:
        multi_line: Whether quoted cells may contain line breaks.
        empty: Value of an empty cell without quotes.
        booleans: Values of the words in columns of booleans.
    """

    delimiter: str = ","
    multi_line: bool = False
    empty: Cell = None
    booleans: Mapping[str, bool] = field(default_factory=lambda: BOOLEANS)

    def rows(self, text: str) -> Iterator[list[Cell]]:
        """The rows of complete records, which may have different widths.

        Raises:
            UnclosedQuote: With `multi_line`, a quote is never closed.
        """
        return (row for _, row in self.numbered_rows(text))

    def numbered_rows(self, text: str) -> Iterator[tuple[int, list[Cell]]]:
        """The rows, each with the number of line feeds before it."""
        if self.multi_line:
            line = position = 0
            while position < len(text):
                start = position
                row, position = self._record(text, start)
                if text[start:position] not in ("\n", "\r\n"):
                    yield line, row
                line += text.count("\n", start, position)
            return
        for number, line_ in enumerate(text.split("\n")):
            if line_:
                line_ = line_.removesuffix("\r")
                yield number, self._record(line_, 0)[0] if '"' in line_ else self._split(line_)

    def columns(self, data: bytes, width: int = 0) -> TextColumns:
        """Text columns, as many as the widest row has cells; shorter rows are padded with null.

        Args:
            data: Complete records in UTF-8.
            width: The number of cells that a row should have; 0: that of the first row.
        """
        end = 0 if self.multi_line else data.find(b"\n") + 1
        line, first = next(self.numbered_rows(data[: end or len(data)].decode()), (0, []))
        names = [str(position) for position in range(len(first))]
        table = self.parse(data, dict.fromkeys(names, pa.string()))
        if table is not None:
            uneven = 0 if len(first) == (width or len(first)) else len(table)
            return TextColumns([table[name].combine_chunks() for name in names], uneven, line)
        numbered = list(self.numbered_rows(data.decode()))
        rows = [row for _, row in numbered]
        columns = [pa.array(column, pa.string()) for column in itertools.zip_longest(*rows)]
        width = width or len(rows[0] if rows else ())
        uneven_lines = [line for line, row in numbered if len(row) != width]
        return TextColumns(columns, len(uneven_lines), uneven_lines[0] if uneven_lines else 0)

    def parse(self, data: bytes, types: dict[str, pa.DataType]) -> pa.Table | None:
        """Parses columns of these types by Arrow.

        Returns:
            None if Arrow cannot parse the data, or would parse it differently from `rows`: rows of
            different widths, values that it cannot convert, a lone CR, quotes across lines.
        """
        if not types or not self.delimiter.isascii() or not data:
            return None
        if b"\r" in data and (
            data.count(b"\r") != data.count(b"\r\n")
            or data.startswith(b"\r\n")
            or b"\n\r\n" in data
        ):
            return None
        # Arrow parses 0x1F as 31.
        if any(pa.types.is_integer(t) for t in types.values()) and (b"0x" in data or b"0X" in data):
            return None
        quotes = b'"' in data
        lines = line_count(data) if quotes and not self.multi_line else 0
        if quotes:
            # Arrow closes an open quote at the end of the data; then it swallows this row.
            cells = ("false" if pa.types.is_boolean(t) else "0" for t in types.values())
            guard = self.delimiter.join(cells).encode()
            data = data + (b"" if data.endswith(b"\n") else b"\n") + guard
        try:
            table = csv.read_csv(
                pa.BufferReader(data),
                read_options=csv.ReadOptions(
                    use_threads=False, block_size=len(data) + 1, column_names=list(types)
                ),
                parse_options=csv.ParseOptions(
                    delimiter=self.delimiter, newlines_in_values=self.multi_line
                ),
                convert_options=_convert_options(
                    tuple(types.items()), self.empty is None, tuple(self.booleans.items())
                ),
            )
        except pa.ArrowInvalid:
            return None
        if not quotes:
            return table
        guarded = table.column(len(types) - 1)[-1].as_py() in ("0", 0, False)
        swallowed = not self.multi_line and len(table) != lines + 1
        return table.slice(0, len(table) - 1) if guarded and not swallowed else None

    def count(self, data: bytes) -> int:
        """Number of rows in complete records."""
        if self.multi_line and (b'"' in data or b"\r" in data):
            return sum(1 for _ in self.rows(data.decode()))
        return line_count(data)

    def _split(self, line: str) -> list[Cell]:
        return [cell or self.empty for cell in line.split(self.delimiter)]

    def _record(self, text: str, position: int) -> tuple[list[Cell], int]:
        """Parses one record, and returns the position after it."""
        quoted, plain = _patterns(self.delimiter)
        row: list[Cell] = []
        while True:
            value: Cell = None
            match = quoted.match(text, position) if text.startswith('"', position) else None
            if match is not None:
                value, tail = match["inside"].replace('""', '"'), match["tail"]
            elif self.multi_line and text.startswith('"', position):
                raise UnclosedQuote
            elif not self.multi_line and (match := _QUOTED_TO_THE_END.match(text, position)):
                value, tail = match["inside"].replace('""', '"'), ""
            else:
                match = plain.match(text, position)
                assert match is not None
                tail = match[0]
            position = match.end()
            ended = text.startswith("\n", position)
            if ended:
                tail = tail.removesuffix("\r")
            row.append((tail or self.empty) if value is None else value + tail)
            if ended or position == len(text):
                return row, position + 1
            position += 1


# A doubled quote at the end of a line also ends its cell.
_QUOTED_TO_THE_END = re.compile(r'"(?P<inside>(?:[^"]*"")+)\Z')


@functools.cache
def _patterns(delimiter: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    rest = rf"[^\n{re.escape(delimiter)}]*"
    quoted = rf'"(?P<inside>[^"]*(?:""[^"]*)*)"(?!")(?P<tail>{rest})'
    return re.compile(quoted), re.compile(rest)


@functools.cache
def _convert_options(
    types: Sequence[tuple[str, pa.DataType]],
    empty_is_null: bool,
    booleans: Sequence[tuple[str, bool]],
) -> csv.ConvertOptions:
    return csv.ConvertOptions(
        column_types=dict(types),
        null_values=[""] if empty_is_null else [],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=[word for word, value in booleans if value],
        false_values=[word for word, value in booleans if not value],
    )


def line_count(data: bytes) -> int:
    """Number of lines that are not empty; a line with only a CR counts."""
    if b"\n\n" not in data and not data.startswith(b"\n"):
        return data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
    return sum(map(bool, data.split(b"\n")))


class QuoteMask:
    """Masks quoted cells, so that each remaining LF ends a record.

    Attributes:
        open_at: Offset of the quote that is still open, if there is one.
    """

    def __init__(self, delimiter: str) -> None:
        opening = rb"(?<=[\n" + re.escape(delimiter.encode()) + rb'])"'
        self._quoted = re.compile(opening + _TO_CLOSING_QUOTE)
        # A record starts after a line feed, and so does the text.
        self._before = b"\n"
        self._size = 0
        self.open_at: int | None = None

    def __call__(self, data: bytes, final: bool = True) -> bytes:
        """Masks text that follows what was masked before; the first text starts with a record.

        Args:
            data: The text.
            final: Whether no text follows.

        Returns:
            Bytes of the same length; but quotes at the end of text that is not final are left for
            the next call, since they may belong together with those that follow.
        """
        data = data if final else data.rstrip(b'"')
        start = 0
        if self.open_at is not None:
            closing = _CLOSING_QUOTE.match(data)
            if closing and closing[1]:
                self.open_at = None
            start = closing.end() if closing else 0
        lead = b"" if start else self._before
        base = self._size + start - len(lead)

        def mask(quoted: re.Match[bytes]) -> bytes:
            if not quoted[1]:
                self.open_at = base + quoted.start()
            return b"x" * (quoted.end() - quoted.start())

        rest = lead + data[start:]
        masked = self._quoted.sub(mask, rest) if b'"' in rest else rest
        self._before = data[-1:] or self._before
        self._size += len(data)
        return b"x" * start + masked[len(lead) :]


_TO_CLOSING_QUOTE = rb'[^"]*(?:""[^"]*)*("|\Z)'
_CLOSING_QUOTE = re.compile(_TO_CLOSING_QUOTE)
