"""The interface of file formats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import pyarrow as pa

from prefect_parallel.data.columns.row_batch import Column, RowBatch
from prefect_parallel.data.columns.texts import texts_of
from prefect_parallel.data.locations.datastores import Datastores
from prefect_parallel.data.mini_batch import File, Piece
from prefect_parallel.data.mltable.mltable import MLTable

Facts = dict[str, Any]


class TableFormat(ABC):
    """Reads files of one format.

    Attributes:
        unit: Unit of pieces: `bytes` or `rows`.
        keeps_types: Whether columns keep the types that they have in the files.
        pandas_metadata: The dtypes of the columns, as pandas writes them to Parquet files; None:
            they follow from the types.
        preview_options: Options to override while reading the preview.
    """

    unit: ClassVar[str]
    keeps_types = False
    pandas_metadata: str | None = None
    preview_options: ClassVar[dict[str, Any]] = {}

    def __init__(self, options: dict[str, Any], facts: Facts, datastores: Datastores) -> None:
        """Stores the options of the read transformation.

        `facts` about the whole table are what `infer` returned.
        """
        self._facts = facts
        self._datastores = datastores

    def sources(self, table: MLTable, files: Iterable[File]) -> Iterable[File]:
        """The files that contain the rows, given the files of `paths`.

        Raises:
            InvalidInput: `paths` does not name a table of this format.
        """
        return files

    @abstractmethod
    def pieces(self, files: Iterable[File], amount: int) -> Iterator[Piece]:
        """Splits files into pieces of about `amount` bytes, in order, without reading them whole.

        A file that cannot be accessed is one piece: reading it raises the error.
        """

    @abstractmethod
    def row_pieces(
        self, files: Iterable[File], wanted: Callable[[], int]
    ) -> Iterator[tuple[Piece, int | None]]:
        """Splits files into pieces of exact numbers of rows, in order.

        Args:
            files: The files.
            wanted: Returns the number of rows of the next piece; the last one of a file may have
                fewer.

        Yields:
            A piece, and its number of rows; None if the file cannot be accessed.
        """

    def infer(
        self, files: Iterable[File], preview: Preview, transformed: Iterable[tuple[Piece, RowBatch]]
    ) -> Facts:
        """Infers what all mini-batches have in common, such as the types of columns.

        Args:
            files: All files that contain rows.
            transformed: The rows of the preview, after the row transformations.

        Raises:
            ValueError: The options do not fit the data.
            UnreadableMiniBatch: A file that the whole table depends on cannot be read.
        """
        return {}

    @abstractmethod
    def read(self, piece: Piece, path_columns: dict[str, Any]) -> RowBatch:
        """Reads the rows of a piece, before the row transformations.

        `path_columns` come from the path of the file, with one value each.
        """

    def finish(self, batch: RowBatch, piece: Piece) -> RowBatch:
        """Gives each column one type, after the row transformations."""
        return batch

    def key_texts(self, name: str, column: Column) -> pa.Array[Any]:
        """Texts of the values of a partition key; equal values have the same in all pieces."""
        return texts_of(column)

    @abstractmethod
    def count(self, piece: Piece) -> int:
        """The number of rows in a piece."""


# Internal option: reading is for the preview, and may skip a last line that ends after the piece.
PREVIEWING = "_previewing"


class Preview:
    """The first part of a table, from which its columns are inferred.

    Attributes:
        pieces: About the first `BYTES` of the table, or more if `until` asked for them.
        path_columns: Function from the path of a file to its columns, one value each.
    """

    # A table of at most this size and number of files is previewed completely.
    BYTES = 1024 * 1024
    FILES = 250

    def __init__(
        self, pieces: Iterator[Piece], path_columns: Callable[[str], dict[str, Any]]
    ) -> None:
        self.path_columns = path_columns
        self.pieces: list[Piece] = []
        self._rest = pieces
        self._next = next(pieces, None)
        seen = 0
        while seen < self.BYTES and len(self.pieces) < self.FILES and not self.complete:
            seen += min(self._take().file.size or 0, self.BYTES)

    @property
    def complete(self) -> bool:
        """Whether the preview is the whole table."""
        return self._next is None

    def until(self, enough: Callable[[], bool]) -> Iterator[Piece]:
        """The pieces, then more of the table until `enough()`."""
        yield from tuple(self.pieces)
        while not self.complete and not enough():
            yield self._take()

    def _take(self) -> Piece:
        assert self._next is not None
        piece = self._next
        self.pieces.append(piece)
        self._next = next(self._rest, None)
        return piece
