"""The step's directory on a node: the run directory's own, or a copy by way of the run store."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from prefect_parallel.data import Datastores, Location
from prefect_parallel.entry.config import EntryConfig
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.run_directories.archive import unpack
from prefect_parallel.flow.run_directories.synced_folder import FileStamp, SyncedFolder
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.fingerprint import of_json
from prefect_parallel.output.part import read_record

LOGS_SECONDS = 30.0
"""How often logs go to the run store while a step runs."""


class RunNotSeen(PrefectParallelError):
    """A node can access neither the run directory nor the run store."""


class NotStored(PrefectParallelError):
    """A node cannot upload a mini-batch's part or outputs to the run store."""


@dataclass(frozen=True)
class RunAccess:
    """How a node finds a step's directory.

    Attributes:
        token_file: Path of a file in the run directory.
        token: Its content, by which a node recognizes the run directory.
        store: URL of the step's directory in the run store; None if there is no store.
        inputs: Local paths that the step reads.
        folders: Folders that the script may write to, relative to the step's directory.
    """

    token_file: str
    token: str
    store: str | None
    inputs: tuple[str, ...]
    folders: tuple[str, ...]

    def is_seen(self) -> bool:
        """Whether this process can access the run directory."""
        try:
            return Path(self.token_file).read_text() == self.token
        except OSError:
            return False


class NodeFolder(Protocol):
    """A step's directory on a node, and what the entry processes need, with the paths there."""

    config: EntryConfig

    def fetch_part(self, mini_batch: int) -> None:
        """Get the part of a mini-batch, if there is one, from the run store."""

    def publish_part(self, mini_batch: int) -> None:
        """Make the part of a mini-batch, and its outputs, available to the driver.

        Raises:
            NotStored: The run store cannot be written to.
        """

    def shown(self, path: str) -> str:
        """Where the user finds a file, whose path is relative to the step's directory."""

    def close(self) -> None:
        """Make the logs available to the driver; called when all processes have ended."""


def open_folder(config: EntryConfig, access: RunAccess, node: str, scratch: Path) -> NodeFolder:
    """Open the step's directory on a node, or a copy of it in the folder `scratch`.

    Raises:
        RunNotSeen: The node can access neither the run directory nor the run store, or cannot
            access an input.
    """
    if access.is_seen():
        return SharedFolder(config)
    if access.store is None:
        raise RunNotSeen(
            f"it does not see the run directory {Path(access.token_file).parent}",
            hint="give a URL that all nodes reach, as --output-dir s3://bucket/runs, or a folder"
            " that all machines share",
        )
    hidden = [path for path in access.inputs if not Path(path).exists()]
    if hidden:
        raise RunNotSeen(
            f"it does not see the input {hidden[0]}",
            hint="give a URL, or a folder that all machines share",
        )
    return OwnFolder(config, access, node, scratch)


class SharedFolder(NodeFolder):
    """The run directory's own folder, in which everything is in its place already."""

    def __init__(self, config: EntryConfig) -> None:
        self.config = config

    def fetch_part(self, mini_batch: int) -> None:
        """It is in the run directory."""

    def publish_part(self, mini_batch: int) -> None:
        """It is in the run directory."""

    def shown(self, path: str) -> str:
        return str(self.config.directory.root / path)

    def close(self) -> None:
        """They are in the run directory."""


class OwnFolder(NodeFolder):
    """A copy whose new files are uploaded to the run store. Thread-safe."""

    def __init__(self, config: EntryConfig, access: RunAccess, node: str, scratch: Path) -> None:
        """Create the folder, with the snapshot of the code.

        Raises:
            RunNotSeen: The store cannot be read.
        """
        assert access.store is not None
        prefix = f"{node}-{of_json(access.store)[:6]}-"
        self._root = Path(tempfile.mkdtemp(prefix=prefix, dir=scratch))
        self._directory = StepDirectory(self._root)
        store = Location(access.store, Datastores.from_json(config.datastores))
        self._synced = SyncedFolder(self._root, store)
        self._pushing = threading.Lock()
        self.config = _moved(config, self._root)
        try:
            self._fetch_code()
            # A lease that has expired may still upload its logs.
            self._keep_names(node, list(scratch.glob(f"{prefix}*")))
        except OSError as error:
            shutil.rmtree(self._root)
            raise RunNotSeen(
                f"it cannot read the run store {access.store}: {error.strerror}"
            ) from error
        self._directory.parts.mkdir()
        for folder in access.folders:
            (self._root / folder).mkdir(parents=True, exist_ok=True)
        self._closed = threading.Event()
        self._pushing_logs = threading.Thread(target=self._push_logs_again, daemon=True)
        self._pushing_logs.start()

    def fetch_part(self, mini_batch: int) -> None:
        part = self._directory.part(mini_batch)
        try:
            self._synced.remote_of(part).fetch(part)
        except FileNotFoundError:
            return
        except OSError as error:
            raise NotStored(
                f"{self._synced.remote.path}: cannot be read: {error.strerror}"
            ) from error

    def publish_part(self, mini_batch: int) -> None:
        part = self._directory.part(mini_batch)
        record = read_record(part)
        assert record is not None
        folders = [self._directory.outputs]
        output_dir = self._directory.output_dirs / record.output_dir
        if record.output_dir and output_dir.exists():  # Else, it was uploaded before.
            folders.append(output_dir)
        try:
            self._push(*folders)
            # Last: a mini-batch that has a part is complete.
            self._synced.remote_of(part).put(part)
        except OSError as error:
            raise NotStored(
                f"the part of mini-batch {mini_batch} cannot be uploaded to the run store"
                f" {self._synced.remote.path}: {error.strerror}"
            ) from error
        part.unlink()
        if record.output_dir:
            shutil.rmtree(output_dir, ignore_errors=True)

    def shown(self, path: str) -> str:
        return self._synced.remote_of(self._root / path).path

    def close(self) -> None:
        self._closed.set()
        self._pushing_logs.join()
        try:
            self._push_logs()
        finally:
            shutil.rmtree(self._root, ignore_errors=True)

    def _fetch_code(self) -> None:
        archive = self._directory.code_archive
        self._synced.remote_of(archive).fetch(archive)
        unpack(archive, self._directory.code)
        archive.unlink()

    def _keep_names(self, node: str, copies: Iterable[Path]) -> None:
        """Reserve the names of earlier logs: a node that comes back must not overwrite them.

        Args:
            node: The node's name.
            copies: The step's folders on this node.
        """
        folder = self._directory.process(node, "").stdout.parent
        folder.mkdir(parents=True)
        names = {
            file.name for copy in copies for file in _files(copy / folder.relative_to(self._root))
        }
        names |= {name for name, _, _ in self._synced.remote_of(folder).remote_path().files()}
        for name in names:
            file = folder / name
            file.touch()
            self._synced.stamps[self._synced.path_of(file)] = FileStamp.of(file)

    def _push(self, *folders: Path, without: Collection[Path] = ()) -> None:
        """Upload what is new in some folders."""
        with self._pushing:
            files = [file for folder in folders for file in _files(folder)]
            self._synced.push([file for file in files if file not in without], folders)

    def _push_logs(self) -> None:
        shared = (self._directory.error_summary, self._directory.job_log)
        for log in shared:
            if log.exists():
                share = self._directory.log_of_node(log, self._root.name)
                share.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(log, share)
        self._push(self._directory.logs, self._directory.from_nodes, without=shared)

    def _push_logs_again(self) -> None:
        while not self._closed.wait(LOGS_SECONDS):
            # What cannot be uploaded now is uploaded next time.
            with suppress(OSError):
                self._push_logs()


def _moved(config: EntryConfig, root: Path) -> EntryConfig:
    """The configuration with the step directory replaced, in arguments and variables, too."""
    old, new = config.step_directory, str(root)
    return dataclasses.replace(
        config,
        step_directory=new,
        code=config.code.replace(old, new),
        arguments=tuple(argument.replace(old, new) for argument in config.arguments),
        environment_variables={
            name: value.replace(old, new) for name, value in config.environment_variables.items()
        },
    )


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)
