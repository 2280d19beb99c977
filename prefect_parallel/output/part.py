"""A part: one mini-batch's committed result, in one file.

The first line is the record and the size of the payload, as JSON; what follows is the payload, the
rows or elements that `run` returned, encoded in the format of the aggregated output. The file is
written under another name and renamed: a part is complete or absent, and its record never belongs
to another payload. Whatever runs twice replaces a part by an equal one.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from prefect_parallel.atomic_write import atomic_write
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.output.isolated import Isolated, Payload

PART_FORMAT = 3
"""Of the files of parts; those of another one, of another version, are not used again."""


class BrokenPart(PrefectParallelError):
    """A part file does not begin with a record, or its payload has another size."""


@dataclass(frozen=True)
class Record:
    """The result of the last attempt of a mini-batch.

    Attributes:
        index: Index of the mini-batch, from 0.
        attempt: Number of the attempt, from 1.
        items: Number of rows or files of the mini-batch; None if it could not be loaded.
        data: Fingerprint of the mini-batch's data.
        settings: Fingerprint of everything else that decides the result, such as the code.
        packages: Fingerprint of the installed packages.
        index_was_read: Whether the script read the index of the mini-batch from its context.
        kind: `list` or `DataFrame`; None for a failed attempt, or if only counts are kept.
        columns: Names of the columns of a DataFrame; None for a list.
        schema: Names and types of the columns, as Parquet has them; None for other formats.
        error: The error in one line; None if the mini-batch succeeded.
        traceback_file: The log file with the full traceback.
        retry_after: Seconds that the script asks to wait before the next attempt.
        values_set_to_null: Column -> number of values that did not fit its type.
        uneven_rows: Number of rows that have fewer or more cells than their header.
        first_uneven_row: Where the first of them is.
        written_as_null: Column -> number of returned values that the output's format lacks.
        output_dir: Name of the folder with the files that the script wrote; empty: it wrote none.
        output_files: Fingerprint of the names and sizes of these files.
        isolated: What the isolation of failing items found; None if it was not needed.
        inputs: A description of the mini-batch, e.g. `iris.csv bytes 0-10240`.
        started_at: Seconds since the epoch.
        seconds: Duration of the attempt, including loading.
        run_seconds: Duration of `run`; None if it was not called, or did not return.
        process_seconds: CPU time of the entry process in the attempt, likewise.
    """

    index: int
    attempt: int
    items: int | None
    succeeded: int
    data: str = ""
    settings: str = ""
    packages: str = ""
    index_was_read: bool = False
    kind: str | None = None
    columns: tuple[str, ...] | None = None
    schema: str | None = None
    error: str | None = None
    traceback_file: str | None = None
    retry_after: float | None = None
    values_set_to_null: dict[str, int] = field(default_factory=dict)
    uneven_rows: int = 0
    first_uneven_row: str = ""
    written_as_null: dict[str, int] = field(default_factory=dict)
    output_dir: str = ""
    output_files: str = ""
    isolated: Isolated | None = None
    inputs: str = ""
    node: str = ""
    process: str = ""
    started_at: float = 0.0
    seconds: float = 0.0
    run_seconds: float | None = None
    process_seconds: float | None = None

    @property
    def ended_at(self) -> float:
        return self.started_at + self.seconds

    @property
    def attempt_name(self) -> tuple[str, str, int]:
        return self.node, self.process, self.attempt

    @property
    def failed_items(self) -> int:
        """Number of items that the last attempt did not return; 1 if it is unknown."""
        if self.error is None:
            return 0
        return max(1 if self.items is None else self.items - self.succeeded, 0)

    @property
    def payloads(self) -> tuple[Payload, ...]:
        """What the part consists of; empty if `run` returned nothing, or nothing that is kept."""
        if self.isolated is not None:
            return self.isolated.payloads
        return () if self.kind is None else (Payload(self.kind, self.columns, self.schema, None),)

    def holds_for(self, data: str, settings: str) -> bool:
        """Whether the mini-batch succeeded with this data and these settings."""
        return self.error is None and self.is_of(data, settings)

    def is_of(self, data: str, settings: str) -> bool:
        """Whether the mini-batch ran with this data and these settings."""
        return (self.data, self.settings) == (data, settings)

    def may_be_at(self, index: int) -> bool:
        """Whether a mini-batch of the same data, with this index, has the same result."""
        return self.index == index or not self.index_was_read

    def at(self, index: int) -> Record:
        """The record with the index that its part has in this run; an earlier one had another."""
        return self if self.index == index else replace(self, index=index)

    def to_json(self) -> dict[str, object]:
        """The fields that do not have their default."""
        fields = {name: each for name, each in vars(self).items() if each != _DEFAULTS.get(name)}
        if self.isolated is not None:
            fields["isolated"] = self.isolated.to_json()
        return fields

    @classmethod
    def from_json(cls, fields: dict[str, object]) -> Record:
        """The inverse of `to_json`.

        Raises:
            BrokenPart: The fields are not those of a record.
        """
        columns = fields.get("columns")
        if isinstance(columns, list):
            fields = {**fields, "columns": tuple(columns)}
        try:
            if fields.get("isolated") is not None:
                fields = {**fields, "isolated": Isolated.from_json(fields["isolated"])}
            record = cls(**fields)  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise BrokenPart(f"not a record: {error}") from error
        record._check(fields)
        return record

    def _check(self, given: Iterable[str]) -> None:
        for name in given:
            kinds = _KINDS[name]
            if type(getattr(self, name)) not in kinds:
                raise BrokenPart(f"not a record: {name} is not of type {kinds[0].__name__}")
        for name in ("values_set_to_null", "written_as_null"):
            if not all(type(count) is int for count in getattr(self, name).values()):
                raise BrokenPart(f"not a record: {name} does not hold counts")
        if not all(type(column) is str for column in self.columns or ()):
            raise BrokenPart("not a record: the name of a column is not text")
        if self.index < 0 or not 0 <= self.succeeded <= (self.items or 0):
            raise BrokenPart(f"not a record: {self.succeeded} of {self.items} items succeeded")


_NONE = type(None)
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("index", "attempt", "succeeded", "uneven_rows"), (int,)),
    **dict.fromkeys(("data", "settings", "packages", "inputs"), (str,)),
    **dict.fromkeys(("node", "process", "first_uneven_row"), (str,)),
    **dict.fromkeys(("output_dir", "output_files"), (str,)),
    **dict.fromkeys(("kind", "schema", "error", "traceback_file"), (str, _NONE)),
    "index_was_read": (bool,),
    **dict.fromkeys(("started_at", "seconds"), (float, int)),
    **dict.fromkeys(("retry_after", "run_seconds", "process_seconds"), (float, _NONE)),
    "items": (int, _NONE),
    "columns": (tuple, _NONE),
    "isolated": (Isolated, _NONE),
    **dict.fromkeys(("values_set_to_null", "written_as_null"), (dict,)),
}
"""The types of the fields of a record."""

_DEFAULTS = vars(Record(-1, -1, -1, -1))
"""No record has the first four of these values."""


def write_part(path: Path, record: Record, payload: bytes = b"") -> None:
    """Commit a part, replacing that of an earlier attempt.

    A failure does not replace the success of another attempt, which another node may have had
    meanwhile. It replaces that of the same one, whose process was ended a moment too late.
    """
    if record.error is not None:
        before = None
        with suppress(BrokenPart):
            before = read_record(path)
        if (
            before is not None
            and before.holds_for(record.data, record.settings)
            and before.attempt_name != record.attempt_name
        ):
            return
    with atomic_write(path) as file:
        file.write(part_header(record, payload))
        file.write(payload)


def part_header(record: Record, payload: bytes) -> bytes:
    """What precedes the payload in a part."""
    header = {"payload_bytes": len(payload), **record.to_json()}
    return json.dumps(header).encode() + b"\n"


def read_record(path: Path) -> Record | None:
    """The record of a part; None if the mini-batch has none yet."""
    try:
        with path.open("rb") as file:
            return _record_of(file, path)
    except FileNotFoundError:
        return None


def open_part(path: Path) -> tuple[Record, BinaryIO] | None:
    """The record of a part, and its file, positioned at the first byte of the payload.

    None if the mini-batch has no part yet.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    try:
        return _record_of(file, path), file
    except BrokenPart:
        file.close()
        raise


def packed_part(content: bytes, pack: object) -> tuple[Record, BinaryIO]:
    """As `open_part`, of the content of a part in a pack."""
    header, _, payload = content.partition(b"\n")
    return _record(header, len(payload), pack), io.BytesIO(payload)


def in_force(own: Record, packed: Record) -> Record:
    """Which of two records of a mini-batch counts: that of a file of its own, or that of a pack.

    Packs have successes only. A success counts, but for one whose own attempt has failed: its
    process was ended a moment too late.
    """
    failed = own.error is not None and own.attempt_name != packed.attempt_name
    return packed if failed else own


def _record_of(file: BinaryIO, path: Path) -> Record:
    header = file.readline()
    return _record(header, os.fstat(file.fileno()).st_size - file.tell(), path)


def _record(header: bytes, found: int, path: object) -> Record:
    try:
        fields = _parsed(header)
        if not isinstance(fields, dict):
            raise BrokenPart("it does not begin with a record")
        expected = fields.pop("payload_bytes", None)
        record = Record.from_json(fields)
        if found != expected:
            raise BrokenPart(f"its payload has {found} bytes, expected {expected}")
        return record
    except (ValueError, RecursionError, BrokenPart) as error:
        raise BrokenPart(f"{path} is not a part: {error}") from error


def _parsed(line: bytes) -> Any:
    import orjson  # This takes 10 ms, and most entry processes read no part.

    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        # It may have file names that are not UTF-8, as \udcXX.
        return json.loads(line)
