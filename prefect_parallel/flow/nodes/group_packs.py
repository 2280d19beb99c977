"""What the packs of one task run hold: it may have been run before, by a node that was lost."""

from __future__ import annotations

from prefect_parallel.entry.config import EntryConfig
from prefect_parallel.output.packs import Packs
from prefect_parallel.output.part import Record


class GroupPacks:
    """The packs of a group of mini-batches, by all processes that have run some of it.

    Attributes:
        name: Of the group; empty if each part gets a file of its own.
    """

    def __init__(self, config: EntryConfig, first: int, last: int) -> None:
        """Look for packs.

        Args:
            first: Index of the group's first mini-batch.
            last: Index of the last.
        """
        is_packed = config.packs and first < last
        # Without the last, which is another one if the rest was given back before.
        self.name = f"{first:06d}" if is_packed else ""
        self._config = config
        self._first = first
        self.look_again()

    def look_again(self) -> None:
        """Look for what was written since."""
        files = self._config.directory.packs_of(self._config.packs, self.name) if self.name else ()
        self._packs = Packs(files, self._first)

    def record(self, index: int) -> Record | None:
        """The record of a mini-batch; None if no pack has it."""
        if (part := self._packs.part(index)) is None:
            return None
        self._packs.close()
        return part[0]
