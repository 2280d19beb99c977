"""What the isolation of failing items found in a mini-batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True)
class Payload:
    """What one call of `run` returned, as a part has it.

    Attributes:
        kind: `list` or `DataFrame`.
        columns: Of a DataFrame.
        schema: As `Record.schema`.
        size: Number of bytes; None: all that follows.
    """

    kind: str
    columns: tuple[str, ...] | None
    schema: str | None
    size: int | None


@dataclass(frozen=True)
class FailedItems:
    """Items that failed, as a rule one that failed alone.

    Attributes:
        start: The first of them, from 0, in what `run` gets.
        stop: The end of them, exclusive.
        alone: Whether `run` was called with them. If not, they were among others that failed.
        error: In one line.
        traceback_file: The log file with the full traceback.
        file: The file that has them; null if they are in several.
        range: Bytes or rows of the file that the mini-batch has, e.g. `bytes 0-10240`; empty for a
            whole file.
    """

    start: int
    stop: int
    alone: bool
    error: str
    traceback_file: str | None
    file: str | None
    range: str


@dataclass(frozen=True)
class Isolated:
    """A mini-batch that failed as a whole, and was run in pieces.

    Attributes:
        payloads: What the calls that succeeded returned, in the order of the items.
        failed: In their order.
        fine_size: If some items failed only together: with so many of them at most, they succeeded.
    """

    payloads: tuple[Payload, ...]
    failed: tuple[FailedItems, ...]
    fine_size: int | None

    @property
    def failed_items(self) -> int:
        return sum(each.stop - each.start for each in self.failed)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> Isolated:
        """The inverse of `to_json`.

        Raises:
            ValueError: It is something else.
        """
        fields = _checked(dict, value, {"payloads": (list,), "failed": (list,), "fine_size": _SIZE})
        return cls(
            tuple(_payload(each) for each in fields["payloads"]),
            tuple(_checked(FailedItems, each, _FAILED) for each in fields["failed"]),
            fields["fine_size"],
        )


_SIZE = (int, type(None))
_TEXT = (str, type(None))
_PAYLOAD = {"kind": (str,), "columns": (list, type(None)), "schema": _TEXT, "size": _SIZE}
_FAILED = {
    **dict.fromkeys(("start", "stop"), (int,)),
    "alone": (bool,),
    "error": (str,),
    **dict.fromkeys(("traceback_file", "file"), _TEXT),
    "range": (str,),
}


def _payload(value: Any) -> Payload:
    fields = _checked(dict, value, _PAYLOAD)
    columns = fields["columns"]
    if not all(type(column) is str for column in columns or ()):
        raise ValueError("the name of a column is not text")
    return Payload(**{**fields, "columns": columns and tuple(columns)})


def _checked(make: type[_T], value: Any, kinds: Mapping[str, tuple[type, ...]]) -> _T:
    if type(value) is not dict or value.keys() != kinds.keys():
        raise ValueError("unknown fields")
    for name, allowed in kinds.items():
        if type(value[name]) not in allowed:
            raise ValueError(f"{name} is not of type {allowed[0].__name__}")
    return make(**value)
