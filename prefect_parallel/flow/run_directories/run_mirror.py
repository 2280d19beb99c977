"""A run directory's copy on remote storage."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import orjson

from prefect_parallel.atomic_write import atomic_write
from prefect_parallel.data import Location
from prefect_parallel.data.locations.listing import files_at
from prefect_parallel.errors import InvalidInput, PrefectParallelError
from prefect_parallel.flow.run_directories.lock import held_since
from prefect_parallel.flow.run_directories.synced_folder import FileStamp, SyncedFolder
from prefect_parallel.layout import RunDirectory, StepDirectory, UnusableRunDirectory

MANIFEST = ".uploaded.json"
"""In a run directory: file -> size and modification time, as it was uploaded."""

Listing: TypeAlias = "dict[str, tuple[int | None, str | None]]"
"""Paths from a step's directory -> size and version, as the store has them."""

NEVER_UPLOADED = ("fetched", "grouped")
"""Folders of a step that are made anew from its inputs."""


class DownloadFailed(PrefectParallelError):
    """What nodes have put on remote storage cannot be downloaded."""


class UploadFailed(PrefectParallelError):
    """A run directory cannot be uploaded, or not completely; all of it is on this machine."""


class RunMirror:
    """The remote copy of one run directory. May be used by several threads."""

    def __init__(self, directory: RunDirectory, remote: Location) -> None:
        self.remote = remote
        self._directory = directory
        self._remote_of = SyncedFolder(directory.root, remote).remote_of
        self._lock = threading.Lock()
        # As the manifest has them; None: it was not read.
        self._stamps: dict[str, FileStamp] | None = None

    def exists(self) -> bool:
        """Whether the run is there."""
        return self.remote.join(self._directory.job_file.name).exists()

    def has_moved(self) -> bool:
        """Whether another machine has run it since this one did.

        Raises:
            UnusableRunDirectory: The storage cannot be read.
        """
        if held_since(self._directory) is not None:
            return False
        token = self._directory.token_file
        try:
            with self._remote_of(token).open() as file:
                theirs = file.read()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise UnusableRunDirectory(
                f"{self.remote.path}: cannot be read: {error.strerror}"
            ) from error
        return not token.exists() or token.read_bytes() != theirs

    def url_of(self, path: Path) -> str:
        """The URL at which a file or folder of the run directory is found."""
        return self._remote_of(path.absolute()).path

    def upload(self, step: str | None = None) -> None:
        """Bring the copy of the run directory up to date, or only of one step's folder.

        Raises:
            UploadFailed: The storage cannot be written to; all is still in the directory.
        """
        root = self._directory.root
        folder = root if step is None else self._directory.step(step).root
        with self._lock:
            synced = self._synced()
            try:
                synced.update({*_files(self._directory, folder), *synced.known_below(folder)})
                self._write_manifest(synced)
            except OSError as error:
                raise UploadFailed(
                    f"the run cannot be uploaded to {self.remote.path}: {error.strerror}\n"
                    f"    all of it is in {root}",
                    hint="resume the run: it uploads what is missing",
                ) from error

    def listing(self, step: StepDirectory) -> Listing:
        """The files of a step that the copy has.

        Raises:
            DownloadFailed: The storage cannot be listed.
        """
        remote = self._remote_of(step.root)
        try:
            return {path: (size, version) for path, size, version in remote.remote_path().files()}
        except OSError as error:
            raise DownloadFailed(f"{remote.path}: cannot be listed: {error.strerror}") from error

    def collect(self, step: StepDirectory, known: Listing | None = None) -> None:
        """Download what nodes have put into a step's folder of the copy.

        `known` is what was there before the nodes began; None: what this machine has.

        Raises:
            DownloadFailed: The storage cannot be read.
        """
        below = step.root.relative_to(self._directory.root).as_posix()
        new = [
            path
            for path, state in self.listing(step).items()
            if (
                not (step.root / path).exists()
                if known is None
                else None in state or known.get(path) != state
            )
        ]
        shares = {path for path in new if step.joined_log(path) is not None}
        with self._lock:
            synced = self._synced()
            try:
                synced.pull(f"{below}/{path}" for path in new if path not in shares)
                for share in shares:
                    self._join_log(step, share)
                self._write_manifest(synced)
            except OSError as error:
                raise DownloadFailed(
                    f"{self.url_of(step.root)}: the results of nodes cannot be downloaded to"
                    f" {step.root}: {error.strerror}; resume the run to continue with them"
                ) from error

    def download(self) -> None:
        """Make the run directory from its copy; what else is in it is removed.

        Raises:
            UnusableRunDirectory: There is no copy, or it cannot be read.
        """
        root = self.remote.path.rstrip("/")
        try:
            found = {file.path[len(root) + 1 :] for file in files_at(self.remote)}
        except InvalidInput as error:
            raise UnusableRunDirectory(f"cannot resume {self.remote.path}: {error}") from error
        # Last: a folder with a job file is one of a run, and the token is that of a whole one.
        last = [self._directory.job_file.name, self._directory.token_file.name]
        synced = SyncedFolder(self._directory.root, self.remote)
        try:
            for file in list(_files(self._directory, self._directory.root)):
                if synced.path_of(file) not in found:
                    file.unlink()
            others = found.difference(last)
            synced.pull(others)
            self._stamps = None
            # Data that did not change must not look as if it had.
            for path, stamp in self._synced().stamps.items():
                if path in others:
                    times = (stamp.modified_ns, stamp.modified_ns)
                    os.utime(self._directory.root / path, ns=times)
            for path in last:
                synced.pull(found.intersection([path]))
        except OSError as error:
            raise UnusableRunDirectory(
                f"{self.remote.path}: cannot be downloaded to {self._directory.root}:"
                f" {error.strerror}"
            ) from error

    def _synced(self) -> SyncedFolder:
        """The run directory and its copy, as they were when the manifest was written."""
        if self._stamps is None:
            try:
                manifest = orjson.loads((self._directory.root / MANIFEST).read_bytes())
            except FileNotFoundError:
                manifest = {}
            self._stamps = {path: FileStamp._make(stamp) for path, stamp in manifest.items()}
        return SyncedFolder(self._directory.root, self.remote, self._stamps)

    def _write_manifest(self, synced: SyncedFolder) -> None:
        path = self._directory.root / MANIFEST
        with atomic_write(path) as file:
            file.write(orjson.dumps(synced.stamps, default=tuple))
        self._stamps = synced.stamps
        self.remote.join(MANIFEST).put(path)

    def _join_log(self, step: StepDirectory, share: str) -> None:
        """Append one node's share of a log that all nodes write to."""
        log = step.joined_log(share)
        assert log is not None
        remote = self._remote_of(step.root / share)
        log.parent.mkdir(parents=True, exist_ok=True)
        temporary = log.with_name(f".{log.name}.{uuid4().hex}")
        try:
            remote.fetch(temporary)
            with log.open("ab") as file:
                file.write(temporary.read_bytes())
        finally:
            temporary.unlink(missing_ok=True)
        remote.remove()


def _files(directory: RunDirectory, folder: Path) -> Iterator[Path]:
    """The files below a folder of a run directory that are uploaded."""
    left_out = {directory.lock_file, directory.root / MANIFEST}
    steps = {directory.step(name).root for name in directory.step_names()}
    for parent, folders, names in os.walk(folder):
        if Path(parent) in steps:
            folders[:] = [name for name in folders if name not in NEVER_UPLOADED]
        for name in names:
            path = Path(parent, name)
            if path not in left_out:
                yield path
