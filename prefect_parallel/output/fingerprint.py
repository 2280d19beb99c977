"""Fingerprints of what a result was made from: resuming and reusing compare them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BLOCK = 1024 * 1024


def of_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def of_json(value: Any) -> str:
    """The fingerprint of a JSON value."""
    return of_text(json.dumps(value, sort_keys=True))


def of_content(path: Path | str) -> str:
    """The fingerprint of a file's bytes.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256()
    with open(path, "rb") as file:  # noqa: PTH123 - many files: no Path objects
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def of_code(folder: Path) -> dict[str, str]:
    """File -> fingerprint of its bytes; a checkout may change the times."""
    return {str(path.relative_to(folder)): of_content(path) for path in _files(folder)}


def of_data(path: Path, *, by_content: bool = False) -> str:
    """The fingerprint of a file, or of a folder with the names of its files.

    `by_content`: of the files' bytes, in place of their sizes and times.
    """
    of_file = _content if by_content else _state
    if not path.is_dir():
        return of_json(of_file(path))
    return of_json([[str(file.relative_to(path)), *of_file(file)] for file in _files(path)])


def _content(path: Path) -> list[str]:
    try:
        return [of_content(path)]
    except OSError:
        return []


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
