"""Files that appear whole or not at all."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import DEFAULT_BUFFER_SIZE
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` when the block ends without an exception."""
    # A random number: processes of two machines that share the folder may have the same id.
    temporary = path.with_name(f".{path.name}.{int.from_bytes(os.urandom(8), 'big')}")
    try:
        # With a size, Python does not ask whether it is a terminal.
        with temporary.open("wb", buffering=DEFAULT_BUFFER_SIZE) as file:
            yield file
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_leftovers(path: Path) -> None:
    """Remove temporary files of writers of `path` that were killed; none must be at work."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*"):
        if leftover.suffix[1:].isdigit():
            leftover.unlink(missing_ok=True)
