"""Where run directories are: in a folder here, or on remote storage.

A remote one is written here first, in a place that is the same for the same URL, so that a run can
be resumed, and is uploaded whenever a step has ended, and at the end. Two machines must not drive
the same run at a time: only what is here is locked.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TypeAlias
from uuid import uuid4

from prefect_parallel.data import NO_DATASTORES, Datastores, Location
from prefect_parallel.data.locations.listing import files_at
from prefect_parallel.errors import InvalidInput, PrefectParallelError
from prefect_parallel.flow.run_directories.synced_folder import (
    AT_A_TIME,
    FileStamp,
    push,
    remove,
    stamp_of,
)
from prefect_parallel.layout import (
    RunDirectory,
    StepDirectory,
    UnusableRunDirectory,
    cache_folder,
)

MANIFEST = ".uploaded.json"
"""In a run directory: file -> size and modification time, as it was uploaded."""

Listing: TypeAlias = "dict[str, tuple[int | None, str | None]]"
"""Paths from a step's directory -> size and version, as the store has them."""

NEVER_UPLOADED = ("fetched", "grouped")
"""Folders of a step that are made anew from its inputs."""


class DownloadFailed(PrefectParallelError):
    """What nodes elsewhere have put on remote storage cannot be brought here."""


class UploadFailed(PrefectParallelError):
    """What a run leaves is here, and not, or not all of it, where it should be."""


def runs_at(output_dir: str | Path, datastores: Datastores = NO_DATASTORES) -> Runs:
    """The folder of run directories that `--output-dir` names.

    Raises:
        InvalidInput: It names a datastore that is not known.
    """
    place = Location.parse(str(output_dir), datastores=datastores)
    return RemoteRuns(place) if place.is_remote else Runs(Path(output_dir))


class Runs:
    """A folder of run directories on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def directory(self, name: str, *, resumes: bool) -> RunDirectory:
        """A run's directory, which may not be there yet.

        Args:
            name: The run's.
            resumes: Whether it is one that was begun before.

        Raises:
            UnusableRunDirectory: It cannot be used so.
        """
        return RunDirectory(self.folder / name)

    def has(self, name: str) -> bool:
        """Whether a run of that name was begun before."""
        return RunDirectory(self.folder / name).job_file.exists()

    def upload(self, directory: RunDirectory, step: str | None = None) -> None:
        """Bring what a run, or one step of it, has left to where it belongs.

        Raises:
            UploadFailed: That cannot be done now; all is still in the directory.
        """

    def store(self, directory: RunDirectory) -> Location | None:
        """Where a run directory is uploaded to; None: nowhere."""
        return None

    def listing(self, directory: StepDirectory) -> Listing:
        """What of a step is on remote storage.

        Raises:
            DownloadFailed: It cannot be listed.
        """
        return {}

    def collect(self, directory: StepDirectory, known: Listing | None = None) -> None:
        """Bring here what nodes elsewhere have put on remote storage.

        Args:
            directory: The step's.
            known: What was there before they began, and is here; None: what is here.

        Raises:
            DownloadFailed: It cannot be brought.
        """

    def shown(self, path: Path) -> str | None:
        """The URL at which something in a run directory will be found; None: it stays here."""
        return None


class RemoteRuns(Runs):
    """Run directories on remote storage, and their places here."""

    def __init__(self, place: Location) -> None:
        digest = hashlib.sha256(place.path.encode()).hexdigest()[:16]
        super().__init__(cache_folder("runs") / digest)
        self._place = place
        self._lock = threading.Lock()

    def directory(self, name: str, *, resumes: bool) -> RunDirectory:
        found = super().directory(name, resumes=resumes)
        remote = self._place.join(name)
        if resumes and not found.job_file.exists():
            self._download(remote, found)
        elif not resumes and self._has_remote(name):
            raise UnusableRunDirectory(
                f"{remote.path} exists already; choose another --name, or go on with --resume"
                f" {name}"
            )
        return found

    def has(self, name: str) -> bool:
        return super().has(name) or self._has_remote(name)

    def _has_remote(self, name: str) -> bool:
        job_file = RunDirectory(self.folder / name).job_file.name
        return self._place.join(name).join(job_file).exists()

    def upload(self, directory: RunDirectory, step: str | None = None) -> None:
        remote = self._place.join(directory.root.name)
        folder = directory.root if step is None else directory.step(step).root
        with self._lock:
            try:
                uploaded = _read_manifest(directory)
                there = {
                    path: stamp_of(directory.root / path) for path in _files(directory, folder)
                }
                below = "" if step is None else f"{folder.relative_to(directory.root)}/"
                gone = [path for path in uploaded if path.startswith(below) and path not in there]
                push(directory.root, remote, there, uploaded)
                remove(remote, gone, uploaded)
                self._write_manifest(directory, uploaded, remote)
            except OSError as error:
                raise UploadFailed(
                    f"the run cannot be uploaded to {remote.path}: {error.strerror}\n"
                    f"    all of it is in {directory.root}",
                    hint=f"--resume {directory.root.name} uploads what is missing",
                ) from error

    def store(self, directory: RunDirectory) -> Location | None:
        return self._place.join(directory.root.name)

    def listing(self, directory: StepDirectory) -> Listing:
        remote = self._remote(directory.root)
        try:
            return {path: (size, version) for path, size, version in remote.remote_path().files()}
        except OSError as error:
            raise DownloadFailed(f"{remote.path}: cannot be listed: {error.strerror}") from error

    def collect(self, directory: StepDirectory, known: Listing | None = None) -> None:
        run = RunDirectory(directory.root.parents[1])
        remote = self._remote(directory.root)
        new = [
            path
            for path, state in self.listing(directory).items()
            if (
                not (directory.root / path).exists()
                if known is None
                else None in state or known.get(path) != state
            )
        ]
        below = directory.root.relative_to(run.root)
        with self._lock:
            uploaded = _read_manifest(run)
            try:
                with ThreadPoolExecutor(AT_A_TIME) as threads:
                    list(threads.map(lambda path: _take(remote, path, directory), new))
                for path in new:
                    if (directory.root / path).exists():
                        uploaded[str(below / path)] = stamp_of(directory.root / path)
                self._write_manifest(run, uploaded, self._remote(run.root))
            except OSError as error:
                raise DownloadFailed(
                    f"{remote.path}: what nodes put there cannot be brought to {directory.root}:"
                    f" {error.strerror}; --resume {run.root.name} goes on with it"
                ) from error

    def _remote(self, path: Path) -> Location:
        return self._place.join(str(PurePosixPath(path.relative_to(self.folder.absolute()))))

    def shown(self, path: Path) -> str | None:
        inside = path.absolute().relative_to(self.folder.absolute())
        return self._place.join(str(PurePosixPath(inside))).path

    def _download(self, remote: Location, directory: RunDirectory) -> None:
        root = remote.path.rstrip("/")
        try:
            found = [file.path[len(root) + 1 :] for file in files_at(remote)]
        except InvalidInput as error:
            raise UnusableRunDirectory(f"there is no run to be resumed: {error}") from error

        def fetch(path: str) -> None:
            target = directory.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            remote.join(path).fetch(target)
            if path in uploaded:
                # Data that did not change must not look as if it had.
                modified = uploaded[path][1]
                os.utime(target, ns=(modified, modified))

        # By its job file a directory is known to be one of a run, so that it comes last.
        found.sort(key=lambda path: (path == directory.job_file.name, path != MANIFEST))
        uploaded: dict[str, FileStamp] = {}
        try:
            if MANIFEST in found:
                fetch(MANIFEST)
                uploaded = _read_manifest(directory)
            with ThreadPoolExecutor(AT_A_TIME) as threads:
                list(threads.map(fetch, found[:-1]))
            fetch(found[-1])
        except OSError as error:
            raise UnusableRunDirectory(
                f"{remote.path}: cannot be downloaded to {directory.root}: {error.strerror}"
            ) from error

    def _write_manifest(
        self, directory: RunDirectory, uploaded: dict[str, FileStamp], remote: Location
    ) -> None:
        path = directory.root / MANIFEST
        path.write_text(json.dumps(uploaded))
        remote.join(MANIFEST).put(path)


def _take(remote: Location, path: str, directory: StepDirectory) -> None:
    """Bring one file; what all nodes write to is joined."""
    joined = directory.joined_log(path)
    target = joined or directory.root / path
    temporary = target.with_name(f".{target.name}.{uuid4().hex}")
    temporary.parent.mkdir(parents=True, exist_ok=True)
    try:
        remote.join(path).fetch(temporary)
        if joined is None:
            temporary.replace(target)
            return
        with joined.open("ab") as file:
            file.write(temporary.read_bytes())
        remote.join(path).remove()
    finally:
        temporary.unlink(missing_ok=True)


def _read_manifest(directory: RunDirectory) -> dict[str, FileStamp]:
    try:
        found: dict[str, FileStamp] = json.loads((directory.root / MANIFEST).read_text())
    except FileNotFoundError:
        return {}
    return found


def _files(directory: RunDirectory, folder: Path) -> Iterator[str]:
    """The paths, from a run directory, of the files below a folder of it."""
    left_out = {directory.lock_file, directory.token_file, directory.root / MANIFEST}
    for parent, folders, names in os.walk(folder):
        if Path(parent).parent == directory.step("_").root.parent:
            folders[:] = [name for name in folders if name not in NEVER_UPLOADED]
        for name in names:
            path = Path(parent, name)
            if path not in left_out and path.is_file():
                yield path.relative_to(directory.root).as_posix()
