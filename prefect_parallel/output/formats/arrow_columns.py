"""Arrow arrays of Python values."""

from __future__ import annotations

import datetime
from collections.abc import Hashable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from prefect_parallel.arrow_types import common_type
from prefect_parallel.output.formats.output_format import UnencodableReturn, unique_names
from prefect_parallel.output.formats.value_texts import in_order

if TYPE_CHECKING:
    import pyarrow as pa

_PLAIN = {str, int, float, bool, bytes}
"""Types whose values Arrow converts without loss if there are no others."""

WAY_OUT = (
    "return values of one type, or let append_row_to name a .jsonl file, in which each row has its"
    " own types"
)
"""The hint for values of types that do not fit together."""

_MISSING = (type(None), "")


def array_of(name: str, values: Sequence[Any]) -> pa.Array[Any]:
    """An array of a column's values; those of different kinds get a type that holds both.

    Arrow alone takes the type of the first value: a datetime after a date loses its time.

    Raises:
        UnencodableReturn: Parquet has no type for a value, or no type for all of them.
    """
    import numpy as np
    import pyarrow as pa

    types = set(map(type, values)) - {type(None)}
    try:
        if len(types) <= 1 and types <= _PLAIN:
            return pa.array(values)
        places: dict[tuple[type, Hashable], list[int]] = {}
        for place, value in enumerate(values):
            places.setdefault(_kind(value), []).append(place)
        missing = places.pop(_MISSING, [])
        arrays = [
            _array_of_kind(name, kind, [values[place] for place in of_kind])
            for (kind, _), of_kind in places.items()
        ]
        common = common_type(array.type for array in arrays)
        if common is None:
            raise _refused(name, values, "Parquet has no type for all of them", hint=WAY_OUT)
        cast = [array.cast(common) for array in arrays]
        # Back into their order.
        order = np.argsort([*chain.from_iterable(places.values()), *missing], kind="stable")
        return pa.concat_arrays([*cast, pa.nulls(len(missing), common)]).take(pa.array(order))
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise _refused(name, values, str(error)) from error


def _kind(value: Any) -> tuple[type, Hashable]:
    """The type of a value, and what else makes Arrow convert it to another type."""
    kind = type(value)
    if kind.__name__ in ("NaTType", "NAType"):
        return _MISSING
    if isinstance(value, (datetime.datetime, datetime.time)):
        return kind, str(value.tzinfo or "")
    return kind, str(getattr(value, "dtype", ""))


def _refused(
    name: str, values: Sequence[Any], why: str, hint: str | None = None
) -> UnencodableReturn:
    kinds = ", ".join(dict.fromkeys(_described(value) for value in values))
    return UnencodableReturn(
        f"returned values of {name!r} that one Parquet column cannot hold ({kinds}): {why}",
        hint=hint,
    )


def _described(value: Any) -> str:
    zoned = getattr(value, "tzinfo", None) is not None
    return f"{type(value).__name__}{' with time zone' if zoned else ''}"


def _array_of_kind(name: str, kind: type, values: Sequence[Any]) -> pa.Array[Any]:
    """An array of values of one kind, none of them missing."""
    import numpy as np
    import pyarrow as pa

    if issubclass(kind, dict):
        return _structs(name, values)
    if issubclass(kind, (list, tuple)):
        return _lists(name, values)
    if issubclass(kind, (set, frozenset)):
        return _lists(name, list(map(in_order, values)))
    if issubclass(kind, np.ndarray) and (values[0].dtype == object or values[0].ndim != 1):
        return array_of(name, [value.tolist() for value in values])
    if issubclass(kind, datetime.time) and values[0].tzinfo is not None:
        raise TypeError("Parquet has no type for a time of day with a time zone")
    # Arrow cuts pandas' values to microseconds, unless it is told.
    if any(getattr(value, "nanosecond", 0) or getattr(value, "nanoseconds", 0) for value in values):
        type_ = pa.array(values).type
        zone = getattr(type_, "tz", None)
        exact = pa.duration("ns") if pa.types.is_duration(type_) else pa.timestamp("ns", zone)
        return pa.array(values, exact)
    return pa.array(values)


def _structs(name: str, values: Sequence[dict[Any, Any]]) -> pa.Array[Any]:
    import pyarrow as pa

    columns = columns_of(values, name)
    if not columns:
        raise TypeError("Parquet cannot store an empty dict")
    return pa.StructArray.from_arrays(list(columns.values()), list(columns))


def columns_of(rows: Sequence[dict[Any, Any]], path: str = "") -> dict[str, pa.Array[Any]]:
    """A column for each key, in the order in which they first appear.

    Args:
        rows: The dicts.
        path: Where they are, in messages; empty if they are the rows of the table.

    Raises:
        UnencodableReturn: Two keys have the same text, or values do not fit into one column.
    """
    keys = list(dict.fromkeys(chain.from_iterable(rows)))
    names = unique_names(keys)
    return {
        name: array_of(f"{path}.{name}".lstrip("."), [row.get(key) for row in rows])
        for name, key in zip(names, keys, strict=True)
    }


def _lists(name: str, values: Sequence[Sequence[Any]]) -> pa.Array[Any]:
    import numpy as np
    import pyarrow as pa

    ends = np.cumsum([0, *map(len, values)])
    elements = array_of(name, list(chain.from_iterable(values)))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), elements)
