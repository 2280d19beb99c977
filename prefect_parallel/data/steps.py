"""Transformations of a table, or of a list of files: what each does to some rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from prefect_parallel.data.block import Block, Column
from prefect_parallel.data.convert import Conversion
from prefect_parallel.data.filter import Expression
from prefect_parallel.data.kinds import TIMESTAMP
from prefect_parallel.data.partition import PartitionFormat

PATH = "Path"
EXTRACT = "extract_columns_from_partition_format"


class Step(Protocol):
    """One transformation."""

    def apply(self, block: Block, misfits: Counter[str]) -> Block:
        """The rows that it makes of some.

        Args:
            block: The rows.
            misfits: Column to the number of values that became null; added to.
        """
        ...


class CountingStep(Protocol):
    """One transformation that keeps or drops a row by its number in the whole table."""

    def kept(self, first: int, rows: int) -> Sequence[bool]:
        """Which of the rows from number `first` on stay."""
        ...

    def left(self, first: int, rows: int) -> int:
        """How many of these rows stay."""
        ...

    def exhausted(self, first: int) -> bool:
        """Whether no row from number `first` on stays."""
        ...


@dataclass(frozen=True)
class Skip:
    count: int

    def kept(self, first: int, rows: int) -> Sequence[bool]:
        return [number >= self.count for number in range(first, first + rows)]

    def left(self, first: int, rows: int) -> int:
        return rows - min(max(self.count - first, 0), rows)

    def exhausted(self, first: int) -> bool:
        return False


@dataclass(frozen=True)
class Take:
    count: int

    def kept(self, first: int, rows: int) -> Sequence[bool]:
        return [number < self.count for number in range(first, first + rows)]

    def left(self, first: int, rows: int) -> int:
        return min(max(self.count - first, 0), rows)

    def exhausted(self, first: int) -> bool:
        return first >= self.count


@dataclass(frozen=True)
class RandomSample:
    """Draws each row on its own; the draw of a row depends on its number and the seed alone."""

    probability: float
    seed: int

    def kept(self, first: int, rows: int) -> Sequence[bool]:
        # One 64-bit output of the generator is one random().
        generator = np.random.PCG64(self.seed).advance(first)
        drawn: list[bool] = (
            np.random.Generator(generator).random(rows) < self.probability
        ).tolist()
        return drawn

    def left(self, first: int, rows: int) -> int:
        return sum(self.kept(first, rows))

    def exhausted(self, first: int) -> bool:
        return False


class ChosenColumns:
    """Names of columns as `keep_columns`, `drop_columns` and `convert_column_types` give them."""

    def __init__(self, columns: list[str] | Mapping[str, Any]) -> None:
        self._names = columns if isinstance(columns, list) else None
        self._options = columns if isinstance(columns, Mapping) else {}

    def of(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that are meant, in the order of `names`; unknown ones are ignored."""
        if self._names is not None:
            return [name for name in names if name in self._names]
        pattern = re.compile(self._options["pattern"])
        wanted = not self._options.get("invert")
        return [name for name in names if bool(pattern.search(name)) == wanted]


class KeepColumns:
    def __init__(self, options: Any) -> None:
        self._chosen = ChosenColumns(options)

    def apply(self, block: Block, misfits: Counter[str]) -> Block:
        return block.select(self._chosen.of(block.columns))


class DropColumns:
    def __init__(self, options: Any) -> None:
        self._chosen = ChosenColumns(options)

    def apply(self, block: Block, misfits: Counter[str]) -> Block:
        dropped = set(self._chosen.of(block.columns))
        return block.select(name for name in block.columns if name not in dropped)


class ConvertColumnTypes:
    def __init__(self, options: list[dict[str, Any]]) -> None:
        self._entries = [
            (ChosenColumns(entry["columns"]), Conversion(entry["column_type"])) for entry in options
        ]

    def apply(self, block: Block, misfits: Counter[str]) -> Block:
        converted: dict[str, Column] = {}
        for chosen, conversion in self._entries:
            for name in chosen.of(block.columns):
                converted[name], lost = conversion.convert(block.columns[name])
                misfits[name] += lost
        return block.with_columns(converted)


class Filter:
    def __init__(self, text: str) -> None:
        self._expression = Expression(text)

    def apply(self, block: Block, misfits: Counter[str]) -> Block:
        return block.where(self._expression.true_rows(block))


class ExtractColumns:
    """`extract_columns_from_partition_format`, from the column `Path`."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._format = PartitionFormat(options["partition_format"])

    def apply(self, block: Block, misfits: Counter[str]) -> Block:
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


_STEPS: Mapping[str, Callable[[Any], Step | Skip | Take | RandomSample]] = {
    "convert_column_types": ConvertColumnTypes,
    "drop_columns": DropColumns,
    EXTRACT: ExtractColumns,
    "filter": Filter,
    "keep_columns": KeepColumns,
    "skip": Skip,
    "take": Take,
    "take_random_sample": lambda options: RandomSample(**options),
}


def make_step(name: str, options: Any) -> Step | Skip | Take | RandomSample:
    """Makes a transformation.

    Raises:
        ValueError: Its options are wrong in a way that the shape of the file does not show.
    """
    return _STEPS[name](options)


class Steps:
    """Transformations one after the other.

    Attributes:
        counting: How many of them count rows.
        countable: Whether numbers of rows alone tell what reaches each of these.
        choose: Whether any chooses columns.
    """

    def __init__(self, steps: Iterable[tuple[str, Any]]) -> None:
        self._steps = [make_step(name, options) for name, options in steps]
        counting = [at for at, step in enumerate(self._steps) if _counts(step)]
        self.counting = len(counting)
        upstream = self._steps[: counting[-1]] if counting else []
        self.choose = any(isinstance(s, (KeepColumns, DropColumns)) for s in self._steps)
        self.countable = not any(isinstance(step, Filter) for step in upstream)

    def apply(
        self, block: Block, entered: Sequence[int], misfits: Counter[str]
    ) -> tuple[Block, list[int]]:
        """Runs some rows through all steps.

        Args:
            block: The rows.
            entered: For each counting step, the number of rows that reach it before these.
            misfits: Column to the number of values that became null; added to.

        Returns:
            What comes out; and how many of these rows reached each counting step.
        """
        reached: list[int] = []
        for step in self._steps:
            if isinstance(step, (Skip, Take, RandomSample)):
                first = entered[len(reached)]
                reached.append(block.rows)
                block = block.where(step.kept(first, block.rows))
            else:
                block = step.apply(block, misfits)
        return block, reached

    def count(self, rows: int, entered: Sequence[int]) -> tuple[int, list[int]]:
        """What `apply` would give, in numbers of rows; only where `countable`."""
        reached: list[int] = []
        for step in self._counting_steps():
            reached.append(rows)
            rows = step.left(entered[len(reached) - 1], rows)
        return rows, reached

    def exhausted(self, entered: Sequence[int]) -> bool:
        """Whether nothing more comes out, whatever follows."""
        steps = self._counting_steps()
        return any(step.exhausted(first) for step, first in zip(steps, entered, strict=True))

    def _counting_steps(self) -> list[Skip | Take | RandomSample]:
        return [step for step in self._steps if isinstance(step, (Skip, Take, RandomSample))]


def _counts(step: object) -> bool:
    return isinstance(step, (Skip, Take, RandomSample))
