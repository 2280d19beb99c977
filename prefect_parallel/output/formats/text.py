"""Text: a DataFrame as CSV, a list's elements one a line."""

from __future__ import annotations

import csv
import io
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, BinaryIO

from prefect_parallel.output.formats.csv_lines import csv_lines
from prefect_parallel.output.formats.output_format import (
    Encoded,
    OutputFormat,
    Parts,
    UnencodableReturn,
    numbered,
)
from prefect_parallel.output.formats.value_texts import are_plain, repr_of, text_of

if TYPE_CHECKING:
    import pandas as pd

    from prefect_parallel.output.returns import Returns

_CRLF = "\r\n"


class Text(OutputFormat):
    r"""A DataFrame as RFC 4180 CSV with LF line ends, a list's elements one a line.

    A line break inside an element is written as `\n` or `\r`, so that a line is an element.
    `delimiter` is one character.
    """

    def __init__(self, delimiter: str = ",") -> None:
        self._delimiter = delimiter

    def encode_frame(self, frame: pd.DataFrame) -> Encoded:
        lines = csv_lines(frame, self._delimiter)
        if lines is None:
            text = _Lines()
            with _whole_arrays():
                _with_texts(frame).to_csv(
                    text, index=False, header=False, sep=self._delimiter, lineterminator=_CRLF
                )
            lines = _encoded(text.getvalue())
        return Encoded(lines)

    def encode_elements(self, elements: Sequence[Any]) -> Encoded:
        texts = map(str if are_plain(elements) else text_of, elements)
        lines = (text.replace("\n", r"\n").replace("\r", r"\r") for text in texts)
        with _whole_arrays():
            return Encoded(_encoded("".join(f"{line}\n" for line in lines)))

    def join(self, parts: Parts, returns: Returns, target: BinaryIO, *, header: bool) -> None:
        columns = returns.common_columns()
        if header and columns is not None:
            target.write(self._line(columns))
        allow_cells_of_any_size()
        for record, payload in parts.iterate():
            if record.columns == columns:
                shutil.copyfileobj(payload, target)
            else:
                assert columns is not None
                assert record.columns is not None
                target.writelines(self._rearranged(payload, record.columns, columns))

    def _rearranged(
        self, payload: BinaryIO, columns: Sequence[str], wanted: Sequence[str]
    ) -> Iterator[bytes]:
        """The rows with other columns; those that a part lacks are empty."""
        places = {column: place for place, column in enumerate(numbered(columns))}
        order = [places.get(column) for column in numbered(wanted)]
        text = io.TextIOWrapper(payload, encoding="utf-8", errors="surrogateescape", newline="")
        for row in csv.reader(text, strict=True, delimiter=self._delimiter):
            yield self._line(["" if place is None else row[place] for place in order])

    def _line(self, cells: Sequence[str]) -> bytes:
        line = _Lines()
        csv.writer(line, lineterminator=_CRLF, delimiter=self._delimiter).writerow(cells)
        return _encoded(line.getvalue())


class _Lines(io.StringIO):
    """Rows of a `csv.writer` with LF line ends.

    It writes them with CRLF: before Python 3.13, it quotes a CR in a cell only then, and readers
    take one without quotes for the end of a row.
    """

    def write(self, row: str, /) -> int:
        return super().write(row.removesuffix(_CRLF) + "\n")


def _encoded(text: str) -> bytes:
    """UTF-8; names of files may hold bytes that are no text, which come out as they were.

    Raises:
        UnencodableReturn: It has a lone surrogate that is not the escaped byte of a file name.
    """
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise UnencodableReturn(f"returned text that UTF-8 cannot hold: {error}") from error


def _with_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the texts of values for which `str`, as pandas uses it, is not enough."""
    import pandas as pd

    changed: pd.DataFrame = frame.copy(deep=False)
    for position in range(frame.shape[1]):
        column = frame.iloc[:, position]
        values = column.tolist() if column.dtype in ("object", "category") else []
        if are_plain(values):
            continue
        cells = zip(values, column.isna(), strict=True)
        texts = [value if is_missing else text_of(value) for value, is_missing in cells]
        changed.isetitem(position, pd.array(texts, dtype=object))
    return changed


def _whole_arrays() -> AbstractContextManager[None]:
    """Otherwise NumPy leaves out digits, breaks lines, and omits most of more than 1,000 elements.

    Sets in arrays are in order.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return nullcontext()

    def text(value: Any) -> str:
        return f"list({repr_of(value)})" if type(value) is list else repr_of(value)

    options: AbstractContextManager[None] = numpy.printoptions(
        threshold=sys.maxsize,
        linewidth=sys.maxsize,
        floatmode="unique",
        formatter={"object": text},
    )
    return options


def allow_cells_of_any_size() -> None:
    """Let `csv` read cells of more than 128 KiB, in all of this process.

    Nobody sets the limit back, as several steps may be joined at once.
    """
    csv.field_size_limit(sys.maxsize)
