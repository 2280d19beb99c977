"""Where the snapshots of deployments are kept, beside the runs, and how workers get them."""

from __future__ import annotations

import re
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from prefect_parallel.data import NO_DATASTORES, Datastores, Location
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.run_directories.archive import digest_of, pack, unpack
from prefect_parallel.flow.server.block_datastores import with_blocks
from prefect_parallel.layout import cache_folder

FOLDER = ".snapshots"
"""In the folder of run directories."""

PULL_STEP = "prefect_parallel.deploy.pull_snapshot"


class SnapshotFailed(PrefectParallelError):
    """A snapshot cannot be stored, or cannot be had."""


@dataclass(frozen=True)
class Snapshot:
    """A snapshot in the run store.

    Attributes:
        path: Or its URL.
        sha256: Of the file.
    """

    path: str
    sha256: str


def put_snapshot(folder: Path, runs: Location) -> Snapshot:
    """Store what is in a folder, if it is not there yet.

    Args:
        folder: The folder.
        runs: The folder of run directories.

    Raises:
        SnapshotFailed: The place cannot be written to.
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
    """Get a deployment's snapshot: the pull step of what `prefect-parallel deploy` makes.

    Args:
        snapshot: Its path or URL.
        sha256: Of the file, as it was stored; in the cache, it is the folder's name.
        datastores: The file that tells what `azureml:` names stand for.

    Returns:
        The folder to change to, as Prefect wants it: `{"directory": ...}`.

    Raises:
        SnapshotFailed: It is not there, or is not what was stored.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise SnapshotFailed(f"{sha256!r} is no SHA-256 of a snapshot")
    folder = cache_folder("snapshots") / sha256
    if not folder.exists():
        told = NO_DATASTORES if datastores is None else Datastores.load(datastores)
        _fetch(Location.parse(snapshot, datastores=with_blocks(told)), sha256, folder)
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
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
        file.write(archive.read_bytes())
    # Others may run it: it is no more secret than the runs beside it.
    Path(file.name).chmod(0o644)
    Path(file.name).replace(target)


def _fetch(place: Location, sha256: str, folder: Path) -> None:
    """Get and unpack a snapshot; several may do so at a time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        archive, unpacked = Path(scratch, "snapshot"), Path(scratch, "unpacked")
        try:
            with place.open() as source:
                archive.write_bytes(source.read())
        except OSError as error:
            raise SnapshotFailed(
                f"the snapshot cannot be read from {place.path}: {error.strerror}",
                hint="workers must see the --output-dir that the pipeline was deployed with;"
                " where they share no folder, let it be a URL",
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
            # Another was quicker.
            if not folder.exists():
                raise
