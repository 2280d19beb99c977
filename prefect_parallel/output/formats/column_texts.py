"""The cells of a DataFrame's columns as Arrow arrays of text, which joins into lines quickly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# Between these, Arrow writes a number with a fraction as Python does: the shortest digits that
# read back equal, without an exponent.
_LOWEST = 1e-4
_HIGHEST = 1e10

_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def number_texts(
    column: pd.Series[Any], *, booleans: tuple[str, str], others: Callable[[float], str]
) -> Any:
    """The texts of a column of NumPy's numbers; None if it holds something else.

    `others` writes a float that Arrow does not write as Python does, NaN among them.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.dtype
    if kind == "float64":
        return _float_texts(column.to_numpy(), others)
    if kind == "bool":
        texts = (pa.scalar(text, pa.large_string()) for text in booleans)
        return pc.if_else(pa.array(column.to_numpy()), *texts)
    if kind in _INTEGERS:
        return pc.cast(pa.array(column.to_numpy()), pa.large_string())
    return None


def strings(column: pd.Series[Any]) -> Any:
    """The texts of a column of strings, with its nulls; None if it holds something else."""
    import pyarrow as pa
    import pyarrow.types as pt

    if column.dtype not in ("str", "object"):
        return None
    try:
        # Without a type, which would take bytes for text.
        texts = pa.array(column.array, from_pandas=True)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return None
    if not any(is_text(texts.type) for is_text in (pt.is_string, pt.is_large_string, pt.is_null)):
        return None
    texts = texts.cast(pa.large_string())
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts


def join_lines(cells: Sequence[Any]) -> bytes:
    """Concatenate the texts of each row; a `str` is the same in all rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    arrays = [
        pa.scalar(cell, pa.large_string()) if isinstance(cell, str) else cell for cell in cells
    ]
    lines = pc.binary_join_element_wise(*arrays, pa.scalar("", pa.large_string()))
    # An array of text that was just made has all of it in one buffer, in order.
    size = pc.sum(pc.binary_length(lines)).as_py()
    content: bytes = lines.buffers()[2].to_pybytes()
    return content[:size]


def _float_texts(values: Any, others: Callable[[float], str]) -> Any:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    sizes = np.abs(values)
    plain = (sizes >= _LOWEST) & (sizes < _HIGHEST) & (values != np.trunc(values))
    texts = pc.cast(pa.array(values), pa.large_string())
    if plain.all():
        return texts
    replaced = [others(value) for value in values[~plain].tolist()]
    return pc.replace_with_mask(texts, pa.array(~plain), pa.array(replaced, pa.large_string()))
