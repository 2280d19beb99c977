"""What a format of the aggregated output does."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.part import Record
from prefect_parallel.output.step_parts import StepParts

if TYPE_CHECKING:
    import pandas as pd

    from prefect_parallel.output.returns import Returns


class UnencodableReturn(PrefectParallelError):
    """`run` returned values that the format of the aggregated output cannot hold."""


class Encoded(NamedTuple):
    """What `run` returned, in the format of the aggregated output.

    Attributes:
        payload: The bytes of the part.
        set_to_null: Column -> how many of its values the format lacks, which became null.
        schema: The types of the columns, as `Record.schema`; None if the format has no types.
    """

    payload: bytes
    set_to_null: Mapping[str, int] = {}
    schema: str | None = None


@dataclass(frozen=True)
class Parts:
    """The parts of a step that hold rows or elements.

    `on_part` is called before each part that is opened, e.g. with `joining parts 300/1,500`.
    """

    directory: StepDirectory
    mini_batches: int
    on_part: Callable[[str], None] = field(default=lambda _: None)

    def iterate(self) -> Iterator[tuple[Record, BinaryIO]]:
        """Open one part after the other, at the first byte of a payload, with its record."""
        with StepParts(self.directory) as parts:
            for index in range(self.mini_batches):
                self.on_part(f"joining parts {index + 1:,}/{self.mini_batches:,}")
                part = parts.open(index)
                if part is None:
                    continue
                with part[1] as file:
                    yield from _payloads(part[0].at(index), file)


def _payloads(record: Record, file: BinaryIO) -> Iterator[tuple[Record, BinaryIO]]:
    for each in record.payloads:
        of_each = record
        if record.isolated is not None:
            of_each = replace(record, kind=each.kind, columns=each.columns)
        yield of_each, file if each.size is None else io.BytesIO(file.read(each.size))


class OutputFormat(ABC):
    """How rows and elements are written to the aggregated output."""

    @abstractmethod
    def encode_frame(self, frame: pd.DataFrame) -> Encoded:
        """Encode a DataFrame; `UnencodableReturn` if the format cannot hold it."""

    @abstractmethod
    def encode_elements(self, elements: Sequence[Any]) -> Encoded:
        """Encode a list or tuple; `UnencodableReturn` if the format cannot hold it."""

    @abstractmethod
    def join(self, parts: Parts, returns: Returns, target: BinaryIO, *, header: bool) -> None:
        """Write all parts to the aggregated output.

        Parts of DataFrames get the union of all columns, in the order in which these first appear,
        with nulls where a part lacks one. With `header`, column names come first in formats with
        such a line.

        Args:
            returns: What the mini-batches of these parts returned; checked before.

        Raises:
            MixedReturns: Some parts do not fit together.
        """


def unique_names(names: Iterable[Any]) -> list[str]:
    """The texts of columns or keys, for formats in which names must be unique.

    Raises:
        UnencodableReturn: Two are the same.
    """
    texts: dict[str, Any] = {}
    for name in names:
        if str(name) in texts:
            both = [repr(texts[str(name)]), repr(name)]
            raise UnencodableReturn(
                f"returned two columns or keys named {str(name)!r}"
                + (f": {' and '.join(both)}" if len(set(both)) > 1 else ""),
                hint="rename one",
            )
        texts[str(name)] = name
    return list(texts)


def numbered(columns: Iterable[str]) -> list[tuple[str, int]]:
    """Each name with the number of equal ones before it: names may repeat."""
    seen: dict[str, int] = {}
    found = []
    for name in columns:
        found.append((name, seen.get(name, 0)))
        seen[name] = found[-1][1] + 1
    return found
