"""Files that are listed once and can be iterated any number of times, in constant memory."""

from __future__ import annotations

import io
import itertools
import json
import tempfile
import weakref
from collections.abc import Iterable, Iterator

from prefect_parallel.data.mini_batch import File

# Number of files in memory for each iteration, and the size above which the spool is on disk.
_BATCH = 1000
_IN_MEMORY_BYTES = 1024 * 1024


class SpooledFiles:
    """The files of one listing, written to a temporary file as they are taken from it.

    Planning iterates them several times, but a remote folder should be listed once. Iterations may
    overlap; each starts with the first file.
    """

    def __init__(self, files: Iterable[File]) -> None:
        self._files = files
        self._unread: Iterator[File] | None = None
        self._spool = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115
        self._batches: list[int] = []
        weakref.finalize(self, self._spool.close)

    def __iter__(self) -> Iterator[File]:
        for number in itertools.count():
            if number == len(self._batches) and not self._read_batch():
                return
            self._spool.seek(self._batches[number])
            for path, size, version in json.loads(self._spool.readline()):
                yield File(path, size, version)

    def _read_batch(self) -> bool:
        """Move files from the listing to the spool; False if there are no more."""
        self._unread = iter(self._files) if self._unread is None else self._unread
        files = itertools.islice(self._unread, _BATCH)
        batch = [[file.path, file.size, file.version] for file in files]
        if not batch:
            return False
        self._spool.seek(0, io.SEEK_END)
        self._batches.append(self._spool.tell())
        self._spool.write(json.dumps(batch).encode() + b"\n")
        return True
