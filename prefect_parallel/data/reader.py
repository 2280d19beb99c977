"""From a mini-batch to what `run` gets, in the process that needs it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

from prefect_parallel.data.mini_batch import File, MiniBatch
from prefect_parallel.errors import UnreadableMiniBatch

if TYPE_CHECKING:
    import pandas as pd


class Reader(Protocol):
    """Reads mini-batches of one input.

    Attributes:
        values_set_to_null: Of the last mini-batch read: column to the number of its values that
            did not fit the column's type.
    """

    values_set_to_null: dict[str, int]

    def read(self, mini_batch: MiniBatch) -> pd.DataFrame | list[str]:
        """Loads a mini-batch.

        Raises:
            UnreadableMiniBatch: It cannot be loaded; says what and where.
        """
        ...


def open_reader(reader: dict[str, Any]) -> Reader:
    """Makes the reader that a plan's `reader` describes."""
    if reader["kind"] == "files":
        return FileReader()
    from prefect_parallel.data.table import TableReader

    return TableReader(reader)


class FileReader:
    """A mini-batch of files is the list of their paths."""

    def __init__(self) -> None:
        self.values_set_to_null: dict[str, int] = {}

    def read(self, mini_batch: MiniBatch) -> list[str]:
        for piece in mini_batch.pieces:
            check_unchanged(piece.file)
        return [piece.file.path for piece in mini_batch.pieces]


def check_unchanged(file: File) -> None:
    """Makes sure that a file is what was planned.

    Raises:
        UnreadableMiniBatch: It is gone, or has another size.
    """
    try:
        size = os.stat(file.path).st_size  # noqa: PTH116
    except OSError as error:
        raise UnreadableMiniBatch(f"{file.path}: cannot be opened: {error.strerror}") from error
    if file.size is not None and size != file.size:
        raise UnreadableMiniBatch(
            f"{file.path}: has changed since the mini-batches were planned:"
            f" it had {file.size} bytes, it has {size}"
        )
