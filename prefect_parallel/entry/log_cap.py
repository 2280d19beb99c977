"""Keeps the logs of scripts that print without end from filling the disk.

Scripts write straight to plain files, so that nothing is lost when they are killed. Of a file that
has grown too large the middle is taken out, with `fallocate` and its FALLOC_FL_COLLAPSE_RANGE: what
the script appends meanwhile is neither lost nor held up, and head and tail stay. ext4 and xfs on
Linux can do that; elsewhere the files grow as the script wants, and the step's log says so once.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

MEBIBYTE = 1024 * 1024

HEAD_BYTES = 32 * MEBIBYTE
TAIL_BYTES = 32 * MEBIBYTE

ALIGNMENT = MEBIBYTE
"""What is taken out is a multiple of this, and so of any file system's block."""

WATCH_SECONDS = 2.0

_FALLOC_FL_COLLAPSE_RANGE = 0x08


class LogCap:
    """Looks after the files of a node's entry processes, in a thread of its own.

    A file may be larger than `HEAD_BYTES + TAIL_BYTES` by what is printed within `WATCH_SECONDS`.
    """

    def __init__(self, notes: Path, every: float = WATCH_SECONDS) -> None:
        """Start it.

        Args:
            notes: The log that is told if files cannot be capped.
            every: Seconds between two looks.
        """
        self._notes = notes
        self._every = every
        self._capped: dict[Path, _CappedFile] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log cap", daemon=True)
        self._thread.start()

    def watch(self, paths: Iterable[Path]) -> None:
        """Look after files, from now on to the end of the node."""
        with self._lock:
            for path in paths:
                self._capped.setdefault(path, _CappedFile(path))

    def close(self) -> None:
        """Look a last time; to be called when nobody prints any more."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            over = self._closed.wait(self._every)
            with self._lock:
                capped = list(self._capped.values())
            try:
                for file in capped:
                    file.keep_small()
            except OSError as error:
                self._note(error)
                return
            if over:
                return

    def _note(self, error: OSError) -> None:
        text = f"what the script prints is kept whole, however long: {error}\n"
        try:
            with self._notes.open("a", encoding="utf-8") as notes:
                notes.write(text)
        except OSError:
            # The run directory may be what is gone.
            return


class _CappedFile:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._dropped = 0

    def keep_small(self) -> None:
        """Take the middle out of the file, if it is too large.

        Raises:
            OSError: The file system cannot do that.
        """
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return
        surplus = size - HEAD_BYTES - TAIL_BYTES
        surplus -= surplus % ALIGNMENT
        if surplus <= 0:
            return
        descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            _collapse(descriptor, HEAD_BYTES, surplus, self._path)
            # An earlier note stood at the head of what is gone now.
            self._dropped += surplus
            os.pwrite(descriptor, _note(self._dropped), HEAD_BYTES)
        finally:
            os.close(descriptor)


def _note(dropped: int) -> bytes:
    """What stands between head and tail; it takes the place of the tail's first bytes."""
    return (
        f"\n[... {dropped // MEBIBYTE} MiB are left out here: of what a process prints, the first"
        f" {HEAD_BYTES // MEBIBYTE} and the last {TAIL_BYTES // MEBIBYTE} MiB are kept ...]\n"
    ).encode()


def _collapse(descriptor: int, start: int, length: int, path: Path) -> None:
    if sys.platform != "linux":
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), str(path))
    fallocate = ctypes.CDLL(None, use_errno=True).fallocate
    fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    while fallocate(descriptor, _FALLOC_FL_COLLAPSE_RANGE, start, length) != 0:
        code = ctypes.get_errno()
        if code != errno.EINTR:
            raise OSError(code, os.strerror(code), str(path))
