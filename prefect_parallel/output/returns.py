"""What `run` returned, over all mini-batches of a step, and whether it fits into one file."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from prefect_parallel.output.formats.common_schema import CommonSchema
from prefect_parallel.output.formats.output_format import numbered
from prefect_parallel.output.mixed_returns import MiniBatches, MixedReturns
from prefect_parallel.output.part import Record

if TYPE_CHECKING:
    import pyarrow as pa


class Returns:
    """The kinds, columns and types that the mini-batches added so far returned."""

    def __init__(self) -> None:
        self._kinds = defaultdict[str, MiniBatches](MiniBatches)
        self._columns: dict[tuple[str, ...], None] = {}
        self._schema = CommonSchema()

    def add(self, record: Record) -> None:
        """Add a mini-batch."""
        for payload in record.payloads:
            self.add_types(record.index, payload.kind, payload.schema)
            if payload.columns is not None:
                self._columns[payload.columns] = None

    def add_types(self, mini_batch: int, kind: str, schema: str | None) -> None:
        """Add a mini-batch of which only this is known, to `check` it."""
        self._kinds[kind].add(mini_batch)
        if schema is not None:
            self._schema.add(mini_batch, schema)

    def check(self) -> None:
        """Check that one file can hold what was returned so far.

        Raises:
            MixedReturns: Some mini-batches returned lists, and others DataFrames, or a column has
                types that do not fit together.
        """
        if len(self._kinds) > 1:
            lines = [f"  {indexes}: a {kind}" for kind, indexes in self._kinds.items()]
            raise MixedReturns(
                "\n".join(["the returned values cannot go into one file:", *lines]),
                hint="return the same kind from every call",
            )
        self._schema.check()

    def common_columns(self) -> tuple[str, ...] | None:
        """The union of the columns of all DataFrames; None if the mini-batches returned lists."""
        if not self._columns:
            return None
        each = dict.fromkeys(each for columns in self._columns for each in numbered(columns))
        return tuple(name for name, _ in each)

    def common_schema(self) -> pa.Schema:
        """All columns, each with a type that holds it in every part.

        Raises:
            MixedReturns: There are rows, but no column.
        """
        return self._schema.to_arrow()
