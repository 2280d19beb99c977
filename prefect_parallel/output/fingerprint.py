"""Fingerprints of what a part was made from: a resumed run compares them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def of_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def of_json(value: Any) -> str:
    """The fingerprint of a JSON value."""
    return of_text(json.dumps(value, sort_keys=True))


def of_code(folder: Path) -> str:
    """The fingerprint of the names and contents of all files; a checkout may change their times."""
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(f"{path.relative_to(folder)}\0".encode(errors="surrogateescape"))
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def of_data(path: Path) -> str:
    """The fingerprint of a file's size and time, or of names, sizes and times in a folder."""
    if not path.is_dir():
        return of_json(_state(path))
    return of_json([[str(file.relative_to(path)), *_state(file)] for file in _files(path)])


def _state(path: Path) -> list[int]:
    try:
        state = path.stat()
    except OSError:
        return []
    return [state.st_size, state.st_mtime_ns]


def _files(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """The files below a folder, also behind links, except those that lead back to one above."""
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        paths = sorted(folder.iterdir())
    except PermissionError:
        return
    for path in paths:
        if not path.is_dir():
            yield path
        elif path.name != "__pycache__":
            yield from _files(path, above | {real})
