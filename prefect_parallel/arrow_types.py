"""Types of Arrow columns that hold the values of several columns."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def common_type(types: Iterable[pa.DataType]) -> pa.DataType | None:
    """A type that holds the values of all types; None if they would become something else.

    Values that do not fit into it, such as a large integer into a double, are found by the cast.
    """
    import pyarrow as pa

    first, *others = [_comparable(type_) for type_ in types] or [pa.null()]
    return reduce(lambda one, other: None if one is None else _wider(one, other), others, first)


def _comparable(type_: pa.DataType) -> pa.DataType:
    """The type as Arrow can join it: indexes have 32 bits, as there may be more categories."""
    import pyarrow as pa

    pt = pa.types
    if type_ in (pa.string_view(), pa.binary_view()):
        return pa.string() if type_ == pa.string_view() else pa.binary()
    if pt.is_dictionary(type_):
        return pa.dictionary(pa.int32(), type_.value_type, type_.ordered)
    if pt.is_struct(type_):
        return pa.struct([field.with_type(_comparable(field.type)) for field in type_])
    if pt.is_map(type_):
        return pa.map_(_comparable(type_.key_type), _comparable(type_.item_type))
    if pt.is_fixed_size_list(type_):
        return pa.list_(_comparable(type_.value_type), type_.list_size)
    if pt.is_list(type_):
        return pa.list_(_comparable(type_.value_type))
    if pt.is_large_list(type_):
        return pa.large_list(_comparable(type_.value_type))
    return type_


def _wider(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    import pyarrow as pa
    import pyarrow.types as pt

    if one == other:
        return one
    one, other = (type_.value_type if pt.is_dictionary(type_) else type_ for type_ in (one, other))
    pair = (one, other)
    if pa.null() in pair:
        return other if one == pa.null() else one
    if all(map(_is_list, pair)):
        items = _wider(one.value_type, other.value_type)
        return None if items is None else pa.list_(items)
    if all(map(pt.is_struct, pair)):
        return _wider_struct(one, other)
    if any(map(pt.is_decimal, pair)):
        # A decimal must not become a double; an integer has up to twenty digits.
        if any(map(pt.is_floating, pair)):
            return None
        one, other = (pa.decimal128(20, 0) if pt.is_integer(type_) else type_ for type_ in pair)
    if all(pt.is_timestamp(type_) and type_.tz is not None for type_ in pair):
        # The same instants.
        one, other = (pa.timestamp(type_.unit, "UTC") for type_ in pair)
    if _is_binary(one) != _is_binary(other):
        # Arrow would make bytes of text.
        return None
    schemas = [pa.schema([("", type_)]) for type_ in (one, other)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return None


def _wider_struct(one: pa.StructType, other: pa.StructType) -> pa.DataType | None:
    import pyarrow as pa

    types: dict[str, list[pa.DataType]] = {}
    for field in [*one, *other]:
        types.setdefault(field.name, []).append(field.type)
    common = {name: common_type(of_field) for name, of_field in types.items()}
    return None if None in common.values() else pa.struct(list(common.items()))


def _is_list(type_: pa.DataType) -> bool:
    import pyarrow.types as pt

    return bool(pt.is_list(type_) or pt.is_large_list(type_) or pt.is_fixed_size_list(type_))


def _is_binary(type_: pa.DataType) -> bool:
    import pyarrow.types as pt

    tests = (pt.is_binary, pt.is_large_binary, pt.is_fixed_size_binary)
    return any(test(type_) for test in tests)
