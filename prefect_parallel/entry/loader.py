"""Loading of mini-batches, the next one while the script works on this one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from prefect_parallel.data import MiniBatch, Reader

if TYPE_CHECKING:
    import pandas as pd


class Loaded(NamedTuple):
    """A loaded mini-batch, and what its reader notes about it; see `Reader`."""

    data: pd.DataFrame | list[Any]
    values_set_to_null: dict[str, int]
    uneven_rows: int
    first_uneven_row: str


class Loader:
    """Loads mini-batches. It holds at most one that was loaded ahead."""

    def __init__(self, open_reader: Callable[[], Reader]) -> None:
        self._open_reader = open_reader
        self._reader = open_reader()
        self._thread = ThreadPoolExecutor(1, "prefetch")
        self._ahead: tuple[MiniBatch, Future[Loaded]] | None = None

    @cached_property
    def _reader_ahead(self) -> Reader:
        """A reader has the notes of its last mini-batch: each thread needs its own."""
        return self._open_reader()

    def load(self, mini_batch: MiniBatch, items: range | None = None) -> Loaded:
        """Load a mini-batch, or some items of it, or wait for it if it is loaded ahead.

        Raises:
            UnreadableMiniBatch: It cannot be loaded.
        """
        if items is not None:
            return _loaded(self._reader, self._reader.read_items(mini_batch, items))
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == mini_batch:
            return ahead[1].result()
        return _load(self._reader, mini_batch)

    def load_ahead(self, mini_batch: MiniBatch) -> None:
        """Begin to load a mini-batch. Errors are raised by `load`."""
        self._ahead = mini_batch, self._thread.submit(_load, self._reader_ahead, mini_batch)


def _load(reader: Reader, mini_batch: MiniBatch) -> Loaded:
    return _loaded(reader, reader.read(mini_batch))


def _loaded(reader: Reader, data: pd.DataFrame | list[Any]) -> Loaded:
    nulls = dict(reader.values_set_to_null)
    return Loaded(data, nulls, reader.uneven_rows, reader.first_uneven_row)
