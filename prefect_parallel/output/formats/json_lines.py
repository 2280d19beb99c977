"""JSON lines: an object for each row of a DataFrame, a value for each element of a list."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from prefect_parallel.output.formats.column_texts import join_lines, number_texts, strings
from prefect_parallel.output.formats.output_format import (
    Encoded,
    OutputFormat,
    Parts,
    UnencodableReturn,
    unique_names,
)
from prefect_parallel.output.formats.value_texts import in_order, text_of

if TYPE_CHECKING:
    import pandas as pd

    from prefect_parallel.output.returns import Returns

_ESCAPED = r'["\\\x00-\x1f]'
"""What JSON writes in another way inside a text."""

_NO_COLUMN = "value"
"""The column in counts of values that belong to no column."""


class JsonLines(OutputFormat):
    """Doubles are written so that they read back equal, timestamps as ISO 8601 without rounding.

    NaN, which pandas uses for a missing value, is null. Infinite numbers, which JSON lacks, are
    null and counted.
    """

    def encode_frame(self, frame: pd.DataFrame) -> Encoded:
        names = unique_names(frame.columns)
        columns = [_of_numpy(frame.iloc[:, position]) for position in range(len(names))]
        lost = Counter[str]()
        lines = _plain_lines(names, columns, lost)
        if lines is None:
            values = map(_values, columns)
            rows = (dict(zip(names, row, strict=True)) for row in zip(*values, strict=True))
            return _encoded(rows if names else [{}] * len(frame), Counter())
        return Encoded(lines, lost)

    def encode_elements(self, elements: Sequence[Any]) -> Encoded:
        return _encoded(elements, Counter())

    def join(self, parts: Parts, returns: Returns, target: BinaryIO, *, header: bool) -> None:
        columns = returns.common_columns()
        for record, payload in parts.iterate():
            if record.columns == columns:
                shutil.copyfileobj(payload, target)
                continue
            assert columns is not None
            for line in payload:
                row = json.loads(line)
                target.write(_line({name: row.get(name) for name in columns}))


# Encoders of their own: `json.dumps` makes one for each call.
_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=lambda value: _plain(value)
).encode


def _line(value: Any) -> bytes:
    # Names of files may hold bytes that are no text: they come out as \udcXX, which JSON allows.
    return f"{_encode(value)}\n".encode(errors="backslashreplace")


def _encoded(elements: Iterable[Any], lost: Counter[str]) -> Encoded:
    lines = []
    try:
        for element in elements:
            _check_keys(element)
            try:
                lines.append(_line(element))
            except ValueError:
                lines.append(_line(_finite(element, lost)))
    except (TypeError, ValueError) as error:
        raise UnencodableReturn(f"returned what JSON cannot hold: {error}") from error
    return Encoded(b"".join(lines), lost)


def _check_keys(value: Any) -> None:
    """Raise UnencodableReturn if two keys of a dict, at any depth, are the same text in JSON."""
    if isinstance(value, dict):
        if not {str}.issuperset(map(type, value)):
            unique_names(next(iter(json.loads(_encode({key: None})))) for key in value)
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return
    for each in value:
        if isinstance(each, (dict, list, tuple)):
            _check_keys(each)


def _finite(value: Any, lost: Counter[str], name: str = _NO_COLUMN) -> Any:
    """A JSON value without numbers that JSON lacks; infinite ones are counted by their column."""
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        if math.isinf(value):
            lost[name] += 1
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        of_key = {key: str(key) if name is _NO_COLUMN else name for key in value}
        return {key: _finite(each, lost, of_key[key]) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each, lost, name) for each in value]
    return _finite(_plain(value), lost, name)


def _plain(value: Any) -> Any:
    """The JSON value for one that is none: of NumPy, pandas, the calendar; else its text."""
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind in ("M", "m"):
        import numpy as np

        if np.ndim(value):
            return list(value)
        if np.isnat(value):
            return None
        return np.datetime_as_string(value).item() if kind == "M" else str(value)
    if hasattr(value, "tolist"):
        plain = value.tolist()
        if type(plain) is type(value):
            raise TypeError(f"a {type(value).__name__} has more digits than a JSON number")
        return plain
    if isinstance(value, (set, frozenset)):
        return in_order(value)
    return value.isoformat() if hasattr(value, "isoformat") else text_of(value)


def _plain_lines(
    names: Sequence[str], columns: Sequence[pd.Series[Any]], lost: Counter[str]
) -> bytes | None:
    """The rows of columns of numbers, plain text and timestamps; None if there are others."""
    cells: list[Any] = []
    for name, column in zip(names, columns, strict=True):
        texts = _texts(column, name, lost)
        if texts is None:
            return None
        cells += [f"{'{' if not cells else ','}{_encode(name)}:", texts]
    return join_lines([*cells, "}\n"]) if cells else None


def _texts(column: pd.Series[Any], name: str, lost: Counter[str]) -> Any:
    """A column's JSON texts, an Arrow array; None if it needs more than this knows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def other(number: float) -> str:
        if math.isinf(number):
            lost[name] += 1
        return repr(number) if math.isfinite(number) else "null"

    if (numbers := number_texts(column, booleans=("true", "false"), others=other)) is not None:
        return numbers
    if column.dtype.kind == "M":
        texts = pa.array(_timestamps(column), pa.large_string())
    else:
        texts = strings(column)
        if texts is None or pc.any(pc.match_substring_regex(texts, _ESCAPED)).as_py():
            return None
    quote, nothing = (pa.scalar(text, pa.large_string()) for text in ('"', ""))
    return pc.binary_join_element_wise(quote, texts, quote, nothing).fill_null("null")


def _of_numpy(column: pd.Series[Any]) -> pd.Series[Any]:
    """Dates and timestamps of Arrow as pandas has them without Arrow."""
    import pandas as pd
    import pyarrow as pa

    is_arrow = isinstance(column.dtype, pd.ArrowDtype) and column.dtype.kind == "M"
    return pa.array(column).to_pandas() if is_arrow else column


def _values(column: pd.Series[Any]) -> list[Any]:
    """A column's values, as JSON has them or `_plain` makes them."""
    if column.dtype.kind == "M":
        return _timestamps(column)
    found: list[Any] = column.astype(object).where(column.notna(), None).tolist()
    return found


def _timestamps(column: pd.Series[Any]) -> list[str | None]:
    """ISO 8601 in milliseconds, or in the unit that the column needs; with a zone: in UTC."""
    import numpy as np

    zone = getattr(column.dtype, "tz", None)
    if zone is not None:
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    values = column.to_numpy()
    known = values[~np.isnat(values)]
    units = ("ms", "us", "ns")
    unit = next(unit for unit in units if (known.astype(f"M8[{unit}]") == known).all())
    texts = np.datetime_as_string(values.astype(f"M8[{unit}]")).tolist()
    end = "" if zone is None else "Z"
    return [None if text == "NaT" else text + end for text in texts]
