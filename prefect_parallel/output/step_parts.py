"""The parts of a step, wherever they are: in files of their own, or in packs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from prefect_parallel.atomic_write import atomic_write
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.packs import Packs
from prefect_parallel.output.part import (
    BrokenPart,
    Record,
    in_force,
    open_part,
    packed_part,
    read_record,
)


class StepParts(AbstractContextManager["StepParts"]):
    """Finds the part of each mini-batch of a step."""

    def __init__(self, directory: StepDirectory) -> None:
        self._directory = directory
        self._packs = Packs.below(directory.packs)

    def __exit__(self, *_: object) -> None:
        self._packs.close()

    def record(self, index: int) -> Record | None:
        """The record of a mini-batch; None if it has no part.

        Raises:
            BrokenPart: The part is damaged.
        """
        part = self.open(index)
        if part is None:
            return None
        part[1].close()
        return part[0]

    def open(self, index: int) -> tuple[Record, BinaryIO] | None:
        """The record of a mini-batch, and its part, at the first byte of the payload.

        Raises:
            BrokenPart: The part is damaged.
        """
        packed = self._packs.part(index)
        if packed is None:
            return open_part(self._directory.part(index))
        own = open_part(self._directory.part(index)) if index in self._own else None
        if own is None:
            return packed
        if in_force(own[0], packed[0]) is own[0]:
            return own
        own[1].close()
        return packed

    @cached_property
    def _own(self) -> set[int]:
        """The mini-batches that have files of their own, beside packs that have most."""
        with os.scandir(self._directory.parts) as entries:
            names = (each.name.partition(".") for each in entries)
            return {int(stem) for stem, _, kind in names if kind == "part"}


def unpack(directory: StepDirectory, on_part: Callable[[], None]) -> None:
    """Give the parts that are in packs files of their own, as a run that is resumed expects.

    Args:
        on_part: Called before each part; may raise.

    Raises:
        OSError: A file cannot be read or written.
    """
    while True:
        if not directory.unpacked.exists():
            if not directory.packs.exists():
                return
            # Nodes of an earlier driver that still run find no folder for their packs.
            directory.packs.rename(directory.unpacked)
        packs = Packs.below(directory.unpacked)
        for index in packs.indices():
            on_part()
            _unpack(packs, index, directory.part(index))
        packs.close()
        shutil.rmtree(directory.unpacked)


def _unpack(packs: Packs, index: int, target: Path) -> None:
    content = packs.read(index)
    assert content is not None
    try:
        packed, _ = packed_part(content, target)
    except BrokenPart:
        return  # The mini-batch runs again.
    own = None
    with suppress(BrokenPart):
        own = read_record(target)
    if own is None or in_force(own, packed) is not own:
        with atomic_write(target) as file:
            file.write(content)
