"""Descriptors of mini-batches: where the data is, never the data itself."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prefect_parallel.errors import without_secrets

# With sorted keys, `json.dumps` would create an encoder for each call.
_encode = json.JSONEncoder(sort_keys=True).encode


@dataclass(frozen=True, slots=True)
class File:
    """A file of the input, as it was when the mini-batches were planned.

    Attributes:
        path: Absolute path or URL.
        size: In bytes; None if it is unknown (a dangling link, no permission).
        version: Modification time in nanoseconds, or the ETag of a remote file; None if it is
            unknown. It is part of the descriptor so that a resumed run detects changed data.
    """

    path: str
    size: int | None
    version: int | str | None

    @classmethod
    def at(cls, path: str) -> File:
        try:
            state = os.stat(path)  # noqa: PTH116 - two million of them: no Path objects
        except OSError:
            return cls(path, None, None)
        return cls(path, state.st_size, state.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Piece:
    """A range of one file.

    Attributes:
        file: The file.
        start: First byte (delimited, JSON lines) or row (Parquet, Delta).
        stop: End of the range, exclusive; None: the end of the file.
        row_offsets: For each transformation of the table that counts rows (`skip`, `take`,
            `take_random_sample`): how many rows of the table reach it before this piece's.
    """

    file: File
    start: int = 0
    stop: int | None = None
    row_offsets: tuple[int, ...] = ()

    def to_json(self) -> list[Any]:
        return [
            self.file.path,
            self.file.size,
            self.file.version,
            self.start,
            self.stop,
            *self.row_offsets,
        ]

    @classmethod
    def from_json(cls, value: list[Any]) -> Piece:
        path, size, version, start, stop, *row_offsets = value
        return cls(File(path, size, version), start, stop, tuple(row_offsets))


@dataclass(frozen=True, slots=True)
class MiniBatch:
    """The descriptor of a mini-batch.

    Attributes:
        index: Index from 0, in the order of the input.
        pieces: The ranges of files that it consists of.
        unit: Unit of the pieces' `start` and `stop`: `files`, `bytes` or `rows`.
        partition_key_value: Value of each key, if the input is split by key.
        fingerprint: Fingerprint of its data; empty until it is planned as part of a step.
    """

    index: int
    pieces: tuple[Piece, ...]
    unit: str = "files"
    partition_key_value: Mapping[str, str] | None = None
    fingerprint: str = ""

    @property
    def extent(self) -> int:
        """The size of its data in bytes or rows, as far as it is known without reading it."""
        if self.unit == "files":
            return sum(piece.file.size or 0 for piece in self.pieces)
        return sum(piece.stop - piece.start for piece in self.pieces if piece.stop is not None)

    def to_json(self) -> dict[str, Any]:
        """The descriptor as a JSON object of a few hundred bytes."""
        value: dict[str, Any] = {
            "index": self.index,
            "unit": self.unit,
            "pieces": [piece.to_json() for piece in self.pieces],
        }
        if self.partition_key_value is not None:
            value["partition_key_value"] = dict(self.partition_key_value)
        if self.fingerprint:
            value["fingerprint"] = self.fingerprint
        return value

    def to_text(self) -> str:
        """The JSON object as one line; equal descriptors have equal texts."""
        return _encode(self.to_json())

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> MiniBatch:
        """The inverse of `to_json`."""
        return cls(
            index=value["index"],
            unit=value["unit"],
            pieces=tuple(Piece.from_json(piece) for piece in value["pieces"]),
            partition_key_value=value.get("partition_key_value"),
            fingerprint=value.get("fingerprint", ""),
        )

    def describe(self) -> str:
        """One line for logs and messages: `iris.csv bytes 0-10240`, `5 files, first a.png`."""
        text = self._extent()
        if self.partition_key_value is None:
            return text
        keys = ", ".join(f"{key}={value}" for key, value in self.partition_key_value.items())
        return f"{keys}: {text}"

    def _extent(self) -> str:
        if not self.pieces:
            return "no files"
        first = self.pieces[0]
        # repr(): the name of a file may contain a line break.
        name = repr(os.path.basename(without_secrets(first.file.path)))[1:-1]  # noqa: PTH119
        if len(self.pieces) > 1:
            return f"{len(self.pieces)} files, first {name}"
        if self.unit == "files" or (first.start == 0 and first.stop is None):
            return name
        stop = "end" if first.stop is None else first.stop
        return f"{name} {self.unit} {first.start}-{stop}"
