"""Archives of folders, with the same bytes for the same content."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from pathlib import Path

EXECUTABLE_BITS = 0o111


def pack(folder: Path, archive: Path) -> str:
    """Write a folder without links as a gzipped tar file, without times and owners; its SHA-256."""
    with (
        archive.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            tar.add(path, name, recursive=False, filter=_without_its_origin)
    return digest_of(archive)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive into a folder.

    Raises:
        tarfile.TarError: The file is not an archive, or has entries that are neither files nor
            folders, or that would be outside the folder.
    """
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")


def digest_of(archive: Path) -> str:
    return hashlib.sha256(archive.read_bytes()).hexdigest()


def _without_its_origin(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    usable = entry.isdir() or entry.mode & EXECUTABLE_BITS
    entry.mode = 0o755 if usable else 0o644
    entry.mtime = entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
