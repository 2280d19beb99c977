"""Readers of mini-batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from prefect_parallel.data.locations.datastores import NO_DATASTORES, Datastores
from prefect_parallel.data.locations.file_cache import FileCache
from prefect_parallel.data.locations.location import Location
from prefect_parallel.data.mini_batch import File, MiniBatch

if TYPE_CHECKING:
    import pandas as pd


class Reader(Protocol):
    """Reads mini-batches of one input.

    Attributes:
        values_set_to_null: Number of values by column of the last mini-batch that did not fit the
            type of the column.
        uneven_rows: Number of its rows that have fewer or more cells than their header.
        first_uneven_row: Where the first of them is.
    """

    values_set_to_null: dict[str, int]
    uneven_rows: int
    first_uneven_row: str

    def read(self, mini_batch: MiniBatch) -> pd.DataFrame | list[Any]:
        """Loads a mini-batch: a DataFrame, a list of paths, or a list of items.

        Raises:
            UnreadableMiniBatch: It cannot be loaded.
        """
        ...

    def read_items(self, mini_batch: MiniBatch, items: range) -> pd.DataFrame | list[Any]:
        """Loads some of the items of a mini-batch.

        Raises:
            UnreadableMiniBatch: They cannot be loaded.
        """
        ...


def open_reader(
    reader: dict[str, Any],
    datastores: Datastores = NO_DATASTORES,
    file_cache: FileCache | None = None,
) -> Reader:
    """Makes the reader of a plan.

    Args:
        reader: `Plan.reader`.
        datastores: The datastores that it was planned with.
        file_cache: Where remote files are copied to; None: mini-batches are lists of URLs.
    """
    if reader["kind"] == "files":
        return FileReader(datastores, file_cache if reader["fetch"] else None)
    if reader["kind"] == "items":
        from prefect_parallel.data.reading.item_reader import ItemReader

        return ItemReader(datastores)
    from prefect_parallel.data.reading.table_reader import TableReader
    from prefect_parallel.data.reading.table_recipe import TableRecipe

    return TableReader(TableRecipe.from_json(reader), datastores)


class FileReader:
    """Reads mini-batches of files: a list of their paths."""

    def __init__(self, datastores: Datastores, file_cache: FileCache | None) -> None:
        self.values_set_to_null: dict[str, int] = {}
        self.uneven_rows = 0
        self.first_uneven_row = ""
        self._datastores = datastores
        self._file_cache = file_cache

    def read(self, mini_batch: MiniBatch) -> list[str]:
        return [self._path(piece.file) for piece in mini_batch.pieces]

    def read_items(self, mini_batch: MiniBatch, items: range) -> list[str]:
        return [self._path(piece.file) for piece in mini_batch.pieces[items.start : items.stop]]

    def _path(self, file: File) -> str:
        location = Location(file.path, self._datastores)
        location.check_unchanged(file)
        if self._file_cache is None or not location.is_remote:
            return file.path
        return self._file_cache.file(location, file)
