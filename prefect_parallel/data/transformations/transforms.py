"""Transformations of a table, or of a list of files: what each does to some rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa

from prefect_parallel.data.columns.kinds import TIMESTAMP
from prefect_parallel.data.columns.row_batch import Block, Column
from prefect_parallel.data.mltable.mltable import Written
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
# What the name of a column begins with that this package adds for itself, and takes away again.
HIDDEN = "\0"
EXTRACT = "extract_columns_from_partition_format"


class Transform(Protocol):
    """One transformation."""

    def apply(self, block: Block) -> Block:
        """The rows that it makes of some."""
        ...


class ChosenColumns:
    """Names of columns as `keep_columns`, `drop_columns` and `convert_column_types` give them."""

    def __init__(self, columns: list[str] | Mapping[str, Any]) -> None:
        self._names = columns if isinstance(columns, list) else None
        self._options = columns if isinstance(columns, Mapping) else {}

    def of(self, block: Block) -> list[str]:
        """Those columns of a block that are meant, in its order; unknown names are ignored."""
        names = [name for name in block.columns if not name.startswith(HIDDEN)]
        if self._names is not None:
            return [name for name in names if name in self._names]
        pattern = re.compile(self._options["pattern"])
        wanted = not self._options.get("invert")
        return [name for name in names if bool(pattern.search(name)) == wanted]


class KeepColumns:
    def __init__(self, options: Any) -> None:
        self._chosen = ChosenColumns(options)

    def apply(self, block: Block) -> Block:
        kept = set(self._chosen.of(block))
        return block.select(n for n in block.columns if n in kept or n.startswith(HIDDEN))


class DropColumns:
    def __init__(self, options: Any) -> None:
        self._chosen = ChosenColumns(options)

    def apply(self, block: Block) -> Block:
        dropped = set(self._chosen.of(block))
        return block.select(name for name in block.columns if name not in dropped)


class ConvertColumnTypes:
    def __init__(self, options: list[dict[str, Any]]) -> None:
        self._entries = [
            (ChosenColumns(entry["columns"]), Conversion(entry["column_type"])) for entry in options
        ]

    def apply(self, block: Block) -> Block:
        converted: dict[str, Column] = {}
        lost: Counter[str] = Counter()
        for chosen, conversion in self._entries:
            for name in chosen.of(block):
                converted[name], count = conversion.convert(block.columns[name])
                lost[name] += count
        return block.with_columns(converted).with_nulls(lost)


class Filter:
    def __init__(self, text: str) -> None:
        self._expression = Expression(text)

    def apply(self, block: Block) -> Block:
        return block.where(self._expression.true_rows(block))


class ExtractColumns:
    """`extract_columns_from_partition_format`, from the column `Path`."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._format = PartitionFormat(options["partition_format"])

    def apply(self, block: Block) -> Block:
        paths = block.columns.get(PATH)
        if not isinstance(paths, pa.Array):
            return block.with_columns({name: pa.nulls(block.rows) for name in self._format.columns})
        clash = next((name for name in self._format.columns if name in block.columns), None)
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
        return block.with_columns(columns)


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
        ValueError: Its options are wrong in a way that the shape of the file does not show.
    """
    return _TRANSFORMS[name](options)


class Transforms:
    """Transformations one after the other.

    Attributes:
        counting: Those that count rows.
        countable: Whether numbers of rows alone tell what reaches each of these.
        chooses: Whether any chooses columns.
    """

    def __init__(self, written: Iterable[Written]) -> None:
        self._all = [make_transform(name, options) for name, options in written]
        self.counting = [each for each in self._all if isinstance(each, CountingTransform)]
        counts = [isinstance(each, CountingTransform) for each in self._all]
        filters = [isinstance(each, Filter) for each in self._all]
        self.countable = not any(
            is_filter and any(counts[at:]) for at, is_filter in enumerate(filters)
        )
        self.chooses = any(isinstance(each, (KeepColumns, DropColumns)) for each in self._all)

    def apply(self, block: Block, entered: Sequence[int]) -> tuple[Block, list[int]]:
        """Runs some rows through all of them.

        Args:
            block: The rows.
            entered: For each that counts rows, how many reach it before these.

        Returns:
            What comes out; and how many of these rows reached each counting transformation.
        """
        reached: list[int] = []
        for transform in self._all:
            if isinstance(transform, CountingTransform):
                first = entered[len(reached)]
                reached.append(block.rows)
                block = transform.apply(block, first)
            else:
                block = transform.apply(block)
        return block, reached

    def count(self, rows: int, entered: Sequence[int]) -> tuple[int, list[int]]:
        """What `apply` would give, in numbers of rows; only where `countable`."""
        reached: list[int] = []
        for transform, first in zip(self.counting, entered, strict=True):
            reached.append(rows)
            rows = transform.left(first, rows)
        return rows, reached

    def exhausted(self, entered: Sequence[int]) -> bool:
        """Whether nothing more comes out, whatever follows."""
        return any(each.exhausted(at) for each, at in zip(self.counting, entered, strict=True))

    def settled(self, entered: Sequence[int]) -> bool:
        """Whether no counting transformation drops a row any more."""
        return all(each.settled(at) for each, at in zip(self.counting, entered, strict=True))
