"""Planning the mini-batches of items: JSON values, one per line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prefect_parallel.data.formats import make_format
from prefect_parallel.data.locations.datastores import Datastores
from prefect_parallel.data.mini_batch import File, MiniBatch
from prefect_parallel.data.planning.split import BySize


def item_batches(
    files: Iterable[File], split: BySize, datastores: Datastores
) -> Iterator[MiniBatch]:
    """Yields mini-batches of a number of items or of bytes."""
    lines = make_format("read_json_lines", {}, {}, datastores)
    count = split.items
    if count is None:
        pieces = lines.pieces(files, split.bytes)
    else:
        pieces = (piece for piece, _ in lines.row_pieces(files, lambda: count))
    for index, piece in enumerate(pieces):
        yield MiniBatch(index, (piece,), lines.unit)
