"""Packs: small parts one after another, in one file for each task run and entry process.

Making a file takes longer than a small mini-batch. A pack is only ever appended to, by one process.
A part that was not written whole is its end, since its process has ended: it counts for nothing, as
if it had not been begun.

Before each part stands a line with the index of its mini-batch and its size. The part is what its
file would be.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from prefect_parallel.output.part import Record, packed_part

MAX_PAYLOAD_BYTES = 256 * 1024
"""Larger payloads have files of their own, whose making is a small share of the time."""

_FRAME_BYTES = 64
"""More than the line before a part has."""


class PackedPart(NamedTuple):
    """Where a part is.

    Attributes:
        mini_batch: Index of the mini-batch.
        start: Its first byte in the pack.
        size: In bytes.
    """

    mini_batch: int
    start: int
    size: int


def append_part(pack: Path, index: int, part: bytes) -> None:
    """Commit a part.

    Raises:
        OSError: It cannot be written; then the pack is as it was.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(pack, flags, 0o666)
    try:
        before = os.fstat(descriptor).st_size
        left = memoryview(b"%d %d\n" % (index, len(part)) + part)
        try:
            while left:
                left = left[os.write(descriptor, left) :]
        except OSError:
            # What comes next must not follow half a part.
            os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)


def packed_parts(file: BinaryIO) -> Iterator[PackedPart]:
    """The complete parts of a pack, in the order in which they were written."""
    size, start = os.fstat(file.fileno()).st_size, 0
    while line := file.readline(_FRAME_BYTES):
        numbers = line.split()
        if not line.endswith(b"\n") or len(numbers) != 2 or not all(map(bytes.isdigit, numbers)):
            return
        part = PackedPart(int(numbers[0]), start + len(line), int(numbers[1]))
        start = part.start + part.size
        if start > size:
            return
        yield part
        file.seek(start)


def list_anew(folder: Path) -> None:
    """Have NFS list what other machines have written to a folder: a change of one's own does."""
    (change := folder / ".change").touch()
    change.unlink()


class Packs:
    """The parts in some packs, found by their mini-batch."""

    def __init__(self, files: Iterable[Path], first: int = 0) -> None:
        """Look through the packs, without reading the parts.

        Args:
            first: Index of the first mini-batch that they may have.
        """
        self._files = list(files)
        self._first = first
        # Of each mini-batch from the first one on; there may be millions.
        self._file_of = array("i")
        self._part_of = array("q")
        self._size_of = array("i")
        self._open: tuple[int, BinaryIO] | None = None
        for number, path in enumerate(self._files):
            # An earlier run may be resumed or removed meanwhile.
            with suppress(FileNotFoundError), path.open("rb") as file:
                for part in packed_parts(file):
                    self._note(number, part)

    @classmethod
    def below(cls, folder: Path) -> Packs:
        """All packs of a step, which are in the folders of its starts."""
        return cls(sorted(folder.glob("*/*.pack")))

    def __bool__(self) -> bool:
        return bool(self._files)

    def read(self, index: int) -> bytes | None:
        """The part of a mini-batch; None if no pack has it."""
        at = index - self._first
        if at >= len(self._file_of) or (number := self._file_of[at]) < 0:
            return None
        file = self._opened(number)
        file.seek(self._part_of[at])
        return file.read(self._size_of[at])

    def part(self, index: int) -> tuple[Record, BinaryIO] | None:
        """As `open_part`."""
        content = self.read(index)
        if content is None:
            return None
        return packed_part(content, self._files[self._file_of[index - self._first]])

    def indices(self) -> Iterator[int]:
        """The mini-batches whose parts are in packs."""
        known = enumerate(self._file_of, self._first)
        return (index for index, number in known if number >= 0)

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def _note(self, number: int, part: PackedPart) -> None:
        at = part.mini_batch - self._first
        if (more := at + 1 - len(self._file_of)) > 0:
            more = max(more, len(self._file_of) // 2)
            self._file_of.extend(array("i", [-1]) * more)
            self._part_of.extend(array("q", [0]) * more)
            self._size_of.extend(array("i", [0]) * more)
        self._file_of[at] = number
        self._part_of[at] = part.start
        self._size_of[at] = part.size

    def _opened(self, number: int) -> BinaryIO:
        # Neighbors are in the same pack.
        if self._open is None or self._open[0] != number:
            self.close()
            self._open = number, self._files[number].open("rb")
        return self._open[1]
