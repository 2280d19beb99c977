"""What the reader of a file format does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from prefect_parallel.data.columns.row_batch import RowBatch
from prefect_parallel.data.locations.datastores import Datastores
from prefect_parallel.data.mini_batch import File, Piece
from prefect_parallel.data.mltable.mltable import MLTable

Facts = dict[str, Any]


class TableFormat(ABC):
    """Reads files of one format.

    Attributes:
        unit: What pieces are measured in: `bytes` or `rows`.
        keeps_types: Whether columns have the types that the files give them.
        preview_options: Options that are other while planning looks at the data.
    """

    unit: ClassVar[str]
    keeps_types = False
    preview_options: ClassVar[dict[str, Any]] = {}

    def __init__(self, options: dict[str, Any], facts: Facts, datastores: Datastores) -> None:
        """Makes a reader.

        Args:
            options: Those of the read transformation.
            facts: A JSON object with what planning found out about the table as a whole; what
                `infer` returns.
            datastores: Those that URLs of files name.
        """
        self._facts = facts
        self._datastores = datastores

    def sources(self, table: MLTable, files: Iterable[File]) -> Iterable[File]:
        """The files that hold the rows, given those that `paths` names.

        Raises:
            InvalidInput: What `paths` names is no such table.
        """
        return files

    @abstractmethod
    def pieces(self, files: Iterable[File], amount: int) -> Iterator[Piece]:
        """Cuts files into pieces of about so many bytes, in order, without reading them whole.

        A file that cannot be accessed is one piece: reading it will say why.
        """

    def infer(
        self, files: Iterable[File], preview: Preview, transformed: Iterable[tuple[Piece, RowBatch]]
    ) -> Facts:
        """Finds out what all mini-batches have in common.

        Args:
            files: All that hold rows.
            preview: The first part of the table.
            transformed: The same as rows, after the transformations that follow.

        Raises:
            ValueError: The options do not fit the data.
            UnreadableMiniBatch: A file that decides about the whole table cannot be read.
        """
        return {}

    @abstractmethod
    def read(self, piece: Piece, path_columns: dict[str, Any]) -> RowBatch:
        """The rows of a piece, before the transformations that follow.

        Args:
            piece: The piece.
            path_columns: What the file's path gives, one value each.
        """

    def finish(self, batch: RowBatch, piece: Piece) -> RowBatch:
        """Gives each column one kind, after the transformations."""
        return batch

    @abstractmethod
    def count(self, piece: Piece) -> int:
        """The number of rows in a piece."""


# An option that is never in a file: reading is for planning, and may stop at a line that does not
# end within the piece.
PREVIEWING = "_previewing"


class Preview:
    """The first part of a table, which decides what all mini-batches have in common.

    Attributes:
        pieces: Up to about `BYTES` of the table, from its start, or more if that was asked for.
        path_columns: From a path to what it gives, one value each.
    """

    # A table up to this size, in not more than so many files, is known whole at planning.
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
        """Whether the pieces are the whole table."""
        return self._next is None

    def until(self, enough: Callable[[], bool]) -> Iterator[Piece]:
        """The pieces, and then more of the table until that is enough."""
        yield from tuple(self.pieces)
        while not self.complete and not enough():
            yield self._take()

    def _take(self) -> Piece:
        assert self._next is not None
        piece = self._next
        self.pieces.append(piece)
        self._next = next(self._rest, None)
        return piece
