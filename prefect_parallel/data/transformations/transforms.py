"""Transformations of the rows of a table, or of a list of files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa

from prefect_parallel.data.columns.kinds import TIMESTAMP
from prefect_parallel.data.columns.row_batch import Column, RowBatch
from prefect_parallel.data.mltable.mltable import TransformationSpec
from prefect_parallel.data.transformations.convert import Conversion
from prefect_parallel.data.transformations.counting import (
    CountingTransform,
    RandomSample,
    Skip,
    Take,
)
from prefect_parallel.data.transformations.filter import Expression
from prefect_parallel.data.transformations.partition_format import PartitionFormat

PATH = "Path"
# Name prefix of internal columns, which are removed before the rows are returned.
HIDDEN = "\0"
EXTRACT = "extract_columns_from_partition_format"


class Transform(Protocol):
    """One transformation."""

    def apply(self, batch: RowBatch) -> RowBatch:
        """Transforms some rows."""
        ...


class ChosenColumns:
    """The `columns` of `keep_columns`, `drop_columns` and `convert_column_types`."""

    def __init__(self, columns: list[str] | Mapping[str, Any]) -> None:
        self._names = columns if isinstance(columns, list) else None
        self._options = columns if isinstance(columns, Mapping) else {}

    def of(self, batch: RowBatch) -> list[str]:
        """The chosen columns of a batch, in its order; unknown names are ignored."""
        names = [name for name in batch.columns if not name.startswith(HIDDEN)]
        if self._names is not None:
            return [name for name in names if name in self._names]
        pattern = re.compile(self._options["pattern"])
        wanted = not self._options.get("invert")
        return [name for name in names if bool(pattern.search(name)) == wanted]


class KeepColumns:
    def __init__(self, options: Any) -> None:
        self._chosen = ChosenColumns(options)

    def apply(self, batch: RowBatch) -> RowBatch:
        kept = set(self._chosen.of(batch))
        return batch.select(n for n in batch.columns if n in kept or n.startswith(HIDDEN))


class DropColumns:
    def __init__(self, options: Any) -> None:
        self._chosen = ChosenColumns(options)

    def apply(self, batch: RowBatch) -> RowBatch:
        dropped = set(self._chosen.of(batch))
        return batch.select(name for name in batch.columns if name not in dropped)


class ConvertColumnTypes:
    def __init__(self, options: list[dict[str, Any]]) -> None:
        self._entries = [
            (ChosenColumns(entry["columns"]), Conversion(entry["column_type"])) for entry in options
        ]

    def apply(self, batch: RowBatch) -> RowBatch:
        converted: dict[str, Column] = {}
        lost: Counter[str] = Counter()
        for chosen, conversion in self._entries:
            for name in chosen.of(batch):
                converted[name], count = conversion.convert(batch.columns[name])
                lost[name] += count
        return batch.with_columns(converted).with_nulls(lost)


class Filter:
    def __init__(self, text: str) -> None:
        self._expression = Expression(text)

    def apply(self, batch: RowBatch) -> RowBatch:
        return batch.where(self._expression.true_rows(batch))


class ExtractColumns:
    """`extract_columns_from_partition_format`, from the column `Path`."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._format = PartitionFormat(options["partition_format"])

    def apply(self, batch: RowBatch) -> RowBatch:
        paths = batch.columns.get(PATH)
        if not isinstance(paths, pa.Array):
            return batch.with_columns({name: pa.nulls(batch.rows) for name in self._format.columns})
        clash = next((name for name in self._format.columns if name in batch.columns), None)
        if clash is not None:
            raise ValueError(
                f"{clash!r} is both a column and a placeholder of the partition format"
            )
        encoded = paths.dictionary_encode()
        values = [self._format.values(path) for path in encoded.dictionary.to_pylist()]
        columns: dict[str, Column] = {}
        for name in self._format.columns:
            type_ = TIMESTAMP if name == self._format.date else pa.string()
            columns[name] = pa.array([v[name] for v in values], type_).take(encoded.indices)
        return batch.with_columns(columns)


_TRANSFORMS: Mapping[str, Callable[[Any], Transform | CountingTransform]] = {
    "convert_column_types": ConvertColumnTypes,
    "drop_columns": DropColumns,
    EXTRACT: ExtractColumns,
    "filter": Filter,
    "keep_columns": KeepColumns,
    "skip": Skip,
    "take": Take,
    "take_random_sample": lambda options: RandomSample(**options),
}


def make_transform(name: str, options: Any) -> Transform | CountingTransform:
    """Makes a transformation.

    Raises:
        ValueError: Its options are invalid in a way that the schema does not check.
    """
    return _TRANSFORMS[name](options)


class Transforms:
    """A sequence of transformations.

    Attributes:
        counting: Those by position, such as `skip`.
        countable: Whether row counts suffice to know what reaches each of these.
        chooses: Whether any chooses columns.
    """

    def __init__(self, specs: Iterable[TransformationSpec]) -> None:
        self._all = [make_transform(name, options) for name, options in specs]
        self.counting = [each for each in self._all if isinstance(each, CountingTransform)]
        counts = [isinstance(each, CountingTransform) for each in self._all]
        filters = [isinstance(each, Filter) for each in self._all]
        self.countable = not any(
            is_filter and any(counts[at:]) for at, is_filter in enumerate(filters)
        )
        self.chooses = any(isinstance(each, (KeepColumns, DropColumns)) for each in self._all)

    def apply(self, batch: RowBatch, row_offsets: Sequence[int]) -> tuple[RowBatch, list[int]]:
        """Applies all transformations to some rows.

        `row_offsets` tells each counting transformation how many rows reached it before; how many
        have now reached each is returned with the rows.
        """
        row_counts: list[int] = []
        for transform in self._all:
            if isinstance(transform, CountingTransform):
                first = row_offsets[len(row_counts)]
                row_counts.append(batch.rows)
                batch = transform.apply(batch, first)
            else:
                batch = transform.apply(batch)
        return batch, row_counts

    @staticmethod
    def advanced(row_offsets: Sequence[int], row_counts: Sequence[int]) -> list[int]:
        """The `row_offsets` of the next rows, after the `row_counts` of these."""
        return [before + more for before, more in zip(row_offsets, row_counts, strict=True)]

    def count(self, rows: int, row_offsets: Sequence[int]) -> tuple[int, list[int]]:
        """Row counts of the result of `apply`; only if `countable`."""
        row_counts: list[int] = []
        for transform, first in zip(self.counting, row_offsets, strict=True):
            row_counts.append(rows)
            rows = transform.count_kept(first, rows)
        return rows, row_counts

    def rows_for(self, kept: int, row_offsets: Sequence[int]) -> int:
        """Number of rows of which `kept` remain, before any filter; see `CountingTransform`."""
        if self.countable:
            for transform, first in zip(
                reversed(self.counting), reversed(row_offsets), strict=True
            ):
                kept = transform.rows_for(first, kept)
        return kept

    def drops_all_from(self, row_offsets: Sequence[int]) -> bool:
        """Whether all further rows are dropped."""
        return any(
            each.drops_all_from(at) for each, at in zip(self.counting, row_offsets, strict=True)
        )

    def keeps_all_from(self, row_offsets: Sequence[int]) -> bool:
        """Whether no counting transformation drops further rows."""
        return all(
            each.keeps_all_from(at) for each, at in zip(self.counting, row_offsets, strict=True)
        )
