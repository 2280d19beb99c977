"""The reader of items: JSON values, one per line."""

from __future__ import annotations

import json
from typing import Any

from prefect_parallel.data.formats.json_rows import EMPTY_LINES
from prefect_parallel.data.formats.text_file import TextFile
from prefect_parallel.data.locations.datastores import NO_DATASTORES, Datastores
from prefect_parallel.data.locations.location import Location
from prefect_parallel.data.mini_batch import MiniBatch, Piece
from prefect_parallel.errors import UnreadableMiniBatch


class ItemReader:
    """Reads mini-batches of items: a list of their values."""

    def __init__(self, datastores: Datastores = NO_DATASTORES) -> None:
        self.values_set_to_null: dict[str, int] = {}
        self.uneven_rows = 0
        self.first_uneven_row = ""
        self._datastores = datastores

    def read(self, mini_batch: MiniBatch) -> list[Any]:
        return [item for piece in mini_batch.pieces for item in self._items(piece)]

    def read_items(self, mini_batch: MiniBatch, items: range) -> list[Any]:
        return self.read(mini_batch)[items.start : items.stop]

    def _items(self, piece: Piece) -> list[Any]:
        Location(piece.file.path, self._datastores).check_unchanged(piece.file)
        with TextFile(piece.file, "utf8", self._datastores) as file:
            text = file.to_utf8(file.lines(piece.start, piece.stop), piece.start).decode()
        items = []
        for number, line in enumerate(text.split("\n"), 1):
            try:
                if line not in EMPTY_LINES:
                    items.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise UnreadableMiniBatch(
                    f"{piece.file.path}: line {number} from byte {piece.start} on is not JSON:"
                    f" {error}"
                ) from error
        return items
