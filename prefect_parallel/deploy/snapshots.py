"""Snapshots of deployments: stored beside the runs, downloaded by workers."""

from __future__ import annotations

import re
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from prefect_parallel.atomic_write import atomic_write
from prefect_parallel.data import NO_DATASTORES, Datastores, Location
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.run_directories.archive import digest_of, pack, unpack
from prefect_parallel.flow.server.block_datastores import with_blocks
from prefect_parallel.layout import cache_folder

FOLDER = ".snapshots"
"""The folder of snapshots, in the folder of run directories."""

PULL_STEP = "prefect_parallel.deploy.pull_snapshot"


class SnapshotFailed(PrefectParallelError):
    """A snapshot cannot be stored or downloaded."""


@dataclass(frozen=True)
class Snapshot:
    """The path or URL of a stored snapshot, and the SHA-256 of its file."""

    path: str
    sha256: str


def put_snapshot(folder: Path, runs: Location) -> Snapshot:
    """Store a snapshot of a folder beside the runs, unless the same content is already stored.

    Raises:
        SnapshotFailed: The folder of run directories cannot be written to.
    """
    with tempfile.TemporaryDirectory(prefix="prefect-parallel-") as scratch:
        archive = Path(scratch, "snapshot")
        digest = pack(folder, archive)
        place = runs.join(FOLDER).join(f"{digest}.tar.gz")
        try:
            if not _is_there(place, archive.stat().st_size):
                _put(archive, place)
        except OSError as error:
            raise SnapshotFailed(
                f"the snapshot cannot be written to {place.path}: {error.strerror}",
                hint="--output-dir names another folder or URL",
            ) from error
    return Snapshot(place.path, digest)


def pull_snapshot(snapshot: str, sha256: str, datastores: str | None = None) -> dict[str, str]:
    """Download and unpack a snapshot: the pull step of `prefect-parallel deploy`'s deployments.

    Prefect's own pull steps neither check what they download nor know `azureml:` names.

    Args:
        snapshot: The path or URL of the snapshot's file.
        sha256: The SHA-256 of the file when it was stored.
        datastores: The file that defines `azureml:` names.

    Returns:
        The flow's working directory, as Prefect expects it: `{"directory": ...}`.

    Raises:
        SnapshotFailed: The file cannot be read, or is not the one that was stored.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise SnapshotFailed(f"{sha256!r} is not the SHA-256 of a snapshot")
    folder = cache_folder("snapshots") / sha256
    if not folder.exists():
        known = NO_DATASTORES if datastores is None else Datastores.load(datastores)
        _fetch(Location.parse(snapshot, datastores=with_blocks(known)), sha256, folder)
    return {"directory": str(folder)}


def _is_there(place: Location, size: int) -> bool:
    try:
        return place.size_and_version()[0] == size
    except FileNotFoundError:
        return False


def _put(archive: Path, place: Location) -> None:
    if place.is_remote:
        place.put(archive)
        return
    target = Path(place.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as file:
        file.write(archive.read_bytes())


def _fetch(place: Location, sha256: str, folder: Path) -> None:
    """Download and unpack a snapshot; several processes may do so at a time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        archive, unpacked = Path(scratch, "snapshot"), Path(scratch, "unpacked")
        try:
            with place.open() as source:
                archive.write_bytes(source.read())
        except OSError as error:
            raise SnapshotFailed(
                f"the snapshot cannot be read from {place.path}: {error.strerror}",
                hint="workers need access to the --output-dir that the pipeline was deployed with;"
                " if they share no folder, deploy with a URL",
            ) from error
        if digest_of(archive) != sha256:
            raise SnapshotFailed(
                f"{place.path} is not the file that was stored", hint="deploy the pipeline again"
            )
        try:
            unpack(archive, unpacked)
        except tarfile.TarError as error:
            raise SnapshotFailed(f"{place.path} cannot be unpacked: {error}") from error
        try:
            unpacked.rename(folder)
        except OSError:
            # Another process was faster.
            if not folder.exists():
                raise
