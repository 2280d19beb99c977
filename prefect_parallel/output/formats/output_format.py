"""What a format of the aggregated output does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.part import Record, open_part

if TYPE_CHECKING:
    import pandas as pd

NAMED = 5
"""How many mini-batches of each kind an error names."""


class UnencodableReturn(PrefectParallelError):
    """`run` returned values that the format of the aggregated output cannot hold."""


class MixedReturns(PrefectParallelError):
    """Mini-batches returned values that cannot go into one file."""


class Encoded(NamedTuple):
    """What `run` returned, in the format of the aggregated output.

    Attributes:
        payload: The bytes of the part.
        set_to_null: Column -> how many of its values the format lacks, which became null.
    """

    payload: bytes
    set_to_null: Mapping[str, int] = {}


@dataclass(frozen=True)
class Parts:
    """The parts of a step that hold rows or elements.

    `on_part` is called before each part that is opened, e.g. with `joining parts 300/1,500`.
    """

    directory: StepDirectory
    mini_batches: int
    on_part: Callable[[str], None] = field(default=lambda _: None)

    def iterate(self, doing: str) -> Iterator[tuple[Record, BinaryIO]]:
        """Open one part after the other, at the first byte of its payload.

        `doing` is what is done with them, for `on_part`.
        """
        for index in range(self.mini_batches):
            self.on_part(f"{doing} parts {index + 1:,}/{self.mini_batches:,}")
            path = self.directory.part(index)
            if not path.exists():
                continue
            record, payload = open_part(path)
            with payload:
                if record.kind is not None:
                    yield record, payload


class OutputFormat(ABC):
    """How rows and elements are written to the aggregated output."""

    @abstractmethod
    def encode_frame(self, frame: pd.DataFrame) -> Encoded:
        """Encode a DataFrame; `UnencodableReturn` if the format cannot hold it."""

    @abstractmethod
    def encode_elements(self, elements: Sequence[Any]) -> Encoded:
        """Encode a list or tuple; `UnencodableReturn` if the format cannot hold it."""

    @abstractmethod
    def join(self, parts: Parts, target: BinaryIO, *, header: bool) -> None:
        """Write all parts to the aggregated output.

        Parts of DataFrames get the union of all columns, in the order in which these first appear,
        with nulls where a part lacks one. With `header`, column names come first in formats with
        such a line.

        Raises:
            MixedReturns: Some parts do not fit together.
        """


def common_columns(parts: Parts) -> tuple[str, ...] | None:
    """The union of the columns of all DataFrames; None if the parts are lists.

    Raises:
        MixedReturns: Some parts are lists, and others are DataFrames.
    """
    kinds: dict[str, list[int]] = {}
    columns: dict[tuple[str, ...], None] = {}
    for record, _ in parts.iterate("comparing"):
        assert record.kind is not None
        kinds.setdefault(record.kind, []).append(record.index)
        if record.columns is not None:
            columns[record.columns] = None
    if len(kinds) > 1:
        lines = [f"  {named(indexes)}: a {kind}" for kind, indexes in kinds.items()]
        raise MixedReturns(
            "\n".join(["run() returned values that cannot go into one file:", *lines]),
            hint="return the same kind from every call",
        )
    if not columns:
        return None
    return tuple(name for name, _ in dict.fromkeys(each for of in columns for each in numbered(of)))


def unique_names(names: Iterable[Any]) -> list[str]:
    """The texts of columns or keys, for formats in which each can be there once.

    Raises:
        UnencodableReturn: Two are the same.
    """
    texts: dict[str, Any] = {}
    for name in names:
        if str(name) in texts:
            both = [repr(texts[str(name)]), repr(name)]
            raise UnencodableReturn(
                f"run() returned two columns or keys named {str(name)!r}"
                + (f": {' and '.join(both)}" if len(set(both)) > 1 else ""),
                hint="rename one",
            )
        texts[str(name)] = name
    return list(texts)


def numbered(columns: Iterable[str]) -> list[tuple[str, int]]:
    """Each name with the number of equal ones before it: names may be there twice."""
    seen: dict[str, int] = {}
    found = []
    for name in columns:
        found.append((name, seen.get(name, 0)))
        seen[name] = found[-1][1] + 1
    return found


def named(indexes: Sequence[int]) -> str:
    """Mini-batches for a message: `mini-batches 0, 2 and 3`."""
    if len(indexes) == 1:
        return f"mini-batch {indexes[0]}"
    shown = ", ".join(map(str, indexes[:NAMED]))
    more = len(indexes) - NAMED
    return f"mini-batches {shown}{f' and {more:,} more' if more > 0 else ''}"
