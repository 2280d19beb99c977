"""The files below a folder that were written, as Linux's inotify tells; others are not looked at.

https://man7.org/linux/man-pages/man7/inotify.7.html
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_CLOSE_WRITE = 0x8
_MOVED_FROM = 0x40
_MOVED_TO = 0x80
_CREATE = 0x100
_DELETE = 0x200
_OVERFLOW = 0x4000
_IGNORED = 0x8000
_IS_FOLDER = 0x40000000

_EVENT = struct.Struct("iIII")
_READ_BYTES = 1 << 16


class WrittenFiles:
    """Tells which files below a folder were written since it was asked last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changed: set[Path] = set()
        self._missed_some = False
        # Watch descriptor -> folder.
        self._watched: dict[int, Path] = {}
        self._library = ctypes.CDLL(None, use_errno=True)
        self._inotify = -1
        if sys.platform == "linux":
            self._inotify = self._library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._watch(folder)

    def take(self) -> set[Path] | None:
        """The files that were written, moved or deleted; None: any may have been."""
        self._read()
        if self._inotify < 0 or self._missed_some:
            self._missed_some = False
            return None
        taken, self._changed = self._changed, set()
        return taken

    def put_back(self, files: Iterable[Path]) -> None:
        """Name files again when asked next."""
        self._changed.update(files)

    def close(self) -> None:
        if self._inotify >= 0:
            os.close(self._inotify)
            self._inotify = -1

    def _watch(self, folder: Path) -> None:
        """Watch a folder and those below it, in which there may be files already."""
        if self._inotify < 0:
            return
        mask = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
        watch = self._library.inotify_add_watch(self._inotify, os.fsencode(folder), mask)
        if watch < 0:
            if ctypes.get_errno() != errno.ENOENT:
                # The system allows no more watches.
                self.close()
            return
        self._watched[watch] = folder
        # Only now, so that no file is missed.
        with suppress(FileNotFoundError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    self._watch(folder / entry.name)
                else:
                    self._changed.add(folder / entry.name)

    def _read(self) -> None:
        while self._inotify >= 0:
            try:
                events = os.read(self._inotify, _READ_BYTES)
            except BlockingIOError:
                return
            at = 0
            while at < len(events):
                watch, mask, _, length = _EVENT.unpack_from(events, at)
                at += _EVENT.size + length
                self._note(watch, mask, os.fsdecode(events[at - length : at].rstrip(b"\0")))

    def _note(self, watch: int, mask: int, name: str) -> None:
        if mask & _IGNORED:
            self._watched.pop(watch, None)
        elif mask & _OVERFLOW:
            self._missed_some = True
            self._watch(self._folder)
        elif watch not in self._watched:
            return
        elif not mask & _IS_FOLDER:
            self._changed.add(self._watched[watch] / name)
        elif mask & (_CREATE | _MOVED_TO):
            self._watch(self._watched[watch] / name)
        elif mask & _MOVED_FROM:
            # No event names what was in it.
            self._missed_some = True


def is_open_for_writing(file: Path) -> bool:
    """Whether a process may still be writing to a file: Linux grants no read lease on it then.

    False if that is not known: on other systems, and on file systems without leases.
    """
    if sys.platform != "linux":
        return False
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # To be sent if the file is opened for writing just now. SIGIO would end this process.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(descriptor)
    return False
