"""The schema of one Parquet file that holds the tables of all parts."""

from __future__ import annotations

import base64
import zlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from prefect_parallel.arrow_types import common_type
from prefect_parallel.output.formats.arrow_columns import WAY_OUT
from prefect_parallel.output.mixed_returns import MiniBatches, MixedReturns

if TYPE_CHECKING:
    import pyarrow as pa

_ONLY_NULLS = b"only_nulls"
"""In the metadata of a column that has no value in a part: it fits into every other type."""

_LARGE = b"large"
"""In the metadata of a column with an integer beyond `_LARGEST`: it fits into no double."""

_LARGEST = 2**53


def schema_text(table: pa.Table) -> str:
    """The schema of a part, for its record."""
    import pyarrow as pa

    names_and_columns = zip(table.schema, table.columns, strict=True)
    fields = [field.with_metadata(_metadata(column)) for field, column in names_and_columns]
    return base64.b64encode(zlib.compress(pa.schema(fields).serialize())).decode()


def _metadata(column: Any) -> dict[bytes, bytes]:
    import pyarrow.compute as pc
    import pyarrow.types as pt

    if column.null_count == len(column):
        return {_ONLY_NULLS: b""}
    if pt.is_int64(column.type) or pt.is_uint64(column.type):
        ends = pc.min_max(column).as_py()
        if ends["min"] < -_LARGEST or ends["max"] > _LARGEST:
            return {_LARGE: b""}
    return {}


class CommonSchema:
    """All columns of the parts added so far, each with a type that holds it in every part."""

    def __init__(self) -> None:
        # By the text of a schema: few parts have one of their own.
        self._mini_batches = defaultdict[str, MiniBatches](MiniBatches)
        self._columns: dict[str, _Column] = {}

    def add(self, mini_batch: int, schema: str) -> None:
        """Add a part with a schema from `schema_text`."""
        if schema not in self._mini_batches:
            self._add_columns(schema, self._mini_batches[schema])
        self._mini_batches[schema].add(mini_batch)

    def _add_columns(self, schema: str, mini_batches: MiniBatches) -> None:
        import pyarrow as pa

        for field in pa.ipc.read_schema(pa.py_buffer(zlib.decompress(base64.b64decode(schema)))):
            self._columns.setdefault(field.name, _Column()).add(field, mini_batches)

    def check(self) -> None:
        """Check that each column has a type that holds it in every part.

        Raises:
            MixedReturns: One has none.
        """
        for name, column in self._columns.items():
            if column.type is None:
                raise MixedReturns(
                    f"column {name!r} has types that do not fit into one column:\n"
                    + "\n".join(f"  {each}" for each in column.found()),
                    hint=WAY_OUT,
                )

    def to_arrow(self) -> pa.Schema:
        """The schema, after `check`.

        Raises:
            MixedReturns: There are rows, but no column.
        """
        import pyarrow as pa

        if self._mini_batches and not self._columns:
            raise MixedReturns(
                "returned rows without any column, which Parquet cannot hold, in"
                f" {MiniBatches.union(self._mini_batches.values())}"
            )
        return pa.schema([(name, column.type) for name, column in self._columns.items()])


class _Column:
    """The types of a column in the parts that have it."""

    def __init__(self) -> None:
        self._types = defaultdict[Any, list[MiniBatches]](list)
        self._with_large = list[MiniBatches]()
        self._type_of_nulls: pa.DataType | None = None
        self._common: pa.DataType | None = None

    def add(self, field: pa.Field, mini_batches: MiniBatches) -> None:
        metadata = field.metadata or {}
        if _ONLY_NULLS in metadata:
            self._type_of_nulls = self._type_of_nulls or field.type
            return
        if not self._types:
            self._common = common_type([field.type])
        elif field.type not in self._types and self._common is not None:
            self._common = common_type([self._common, field.type])
        self._types[field.type].append(mini_batches)
        if _LARGE in metadata:
            self._with_large.append(mini_batches)

    @property
    def type(self) -> pa.DataType | None:
        """A type that holds the values of all parts; None if there is none."""
        import pyarrow.types as pt

        if not self._types:
            return common_type([self._type_of_nulls])
        if self._with_large and self._common is not None and pt.is_floating(self._common):
            return None
        return self._common

    def found(self) -> list[str]:
        """Each type, with the mini-batches that have it."""
        found = [f"{type_} in {MiniBatches.union(those)}" for type_, those in self._types.items()]
        if self._with_large:
            found.append(f"integers beyond 2**53 in {MiniBatches.union(self._with_large)}")
        return found
