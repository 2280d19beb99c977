"""Limits the size of logs of scripts that print too much.

Scripts write to plain files, so that nothing is lost when they are killed. When a file grows too
large, its middle is removed with `fallocate` and FALLOC_FL_COLLAPSE_RANGE, while the script keeps
appending; head and tail are kept. Linux supports this on ext4 and xfs. On other file systems the
files grow without limit, and the step's log says so once.
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
"""Removed ranges are a multiple of this, which is a multiple of any file system's block."""

WATCH_SECONDS = 2.0

_FALLOC_FL_COLLAPSE_RANGE = 0x08


class LogCap:
    """Watches the logs of a node's entry processes in a thread of its own.

    A file may exceed `HEAD_BYTES + TAIL_BYTES` by what is printed within `WATCH_SECONDS`.
    """

    def __init__(self, notes: Path, every: float = WATCH_SECONDS) -> None:
        """Start the thread.

        Args:
            notes: Log to note in that the file system does not support this.
            every: Seconds between two checks.
        """
        self._notes = notes
        self._every = every
        self._capped: dict[Path, _CappedFile] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log cap", daemon=True)
        self._thread.start()

    def watch(self, paths: Iterable[Path]) -> None:
        """Watch files until the node ends."""
        with self._lock:
            for path in paths:
                self._capped.setdefault(path, _CappedFile(path))

    def removed(self, path: Path) -> int:
        """Number of bytes that were removed from a file so far."""
        with self._lock:
            capped = self._capped.get(path)
        return 0 if capped is None else capped.removed

    def close(self) -> None:
        """Check a last time, when all processes have ended."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            is_last = self._closed.wait(self._every)
            with self._lock:
                capped = list(self._capped.values())
            try:
                for file in capped:
                    file.keep_small()
            except OSError as error:
                self._note(error)
                return
            if is_last:
                return

    def _note(self, error: OSError) -> None:
        text = f"the size of the script's logs is not limited: {error}\n"
        try:
            with self._notes.open("a", encoding="utf-8") as notes:
                notes.write(text)
        except OSError:
            # The run directory itself may be gone.
            return


class _CappedFile:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.removed = 0

    def keep_small(self) -> None:
        """Remove the middle of the file if it is too large.

        Raises:
            OSError: The file system does not support it.
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
            # An earlier note was at the start of the removed range.
            self.removed += surplus
            os.pwrite(descriptor, _note(self.removed), HEAD_BYTES)
        finally:
            os.close(descriptor)


def _note(dropped: int) -> bytes:
    """The note between head and tail, which overwrites the first bytes of the tail."""
    return (
        f"\n[... {dropped // MEBIBYTE} MiB removed: the first {HEAD_BYTES // MEBIBYTE} and the last"
        f" {TAIL_BYTES // MEBIBYTE} MiB that a process prints are kept ...]\n"
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
