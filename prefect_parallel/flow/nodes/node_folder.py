"""The step's directory on a node: the run directory's own, or a copy by way of the run store."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from prefect_parallel.data import Datastores, Location
from prefect_parallel.entry.config import EntryConfig
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.run_directories.archive import unpack
from prefect_parallel.flow.run_directories.synced_folder import FileStamp, SyncedFolder
from prefect_parallel.flow.run_directories.written_files import WrittenFiles, is_open_for_writing
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.fingerprint import of_json
from prefect_parallel.output.part import Record, read_record

LOGS_SECONDS = 30.0
"""How often logs, and outputs that are still open, go to the run store while a step runs."""

LOGS_REST = 10
"""How many times as long as an upload takes it is until the next one: mini-batches wait for it."""


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

    def publish_part(self, record: Record) -> Record:
        """Make the part of a mini-batch, and its outputs, available to the driver.

        Returns the record that counts: a failure does not replace a success of another node.

        Raises:
            NotStored: The run store cannot be written to.
        """

    def shown(self, path: str) -> str:
        """Where the user finds a file, whose path is relative to the step's directory."""

    def store(self) -> None:
        """Make available to the driver what is not part of a mini-batch; called at the step's end.

        Raises:
            NotStored: The run store cannot be written to.
        """

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

    def publish_part(self, record: Record) -> Record:
        """It is in the run directory."""
        return record

    def shown(self, path: str) -> str:
        return str(self.config.directory.root / path)

    def store(self) -> None:
        """It is in the run directory."""

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
        self._directory.outputs.mkdir(exist_ok=True)
        for folder in access.folders:
            (self._root / folder).mkdir(parents=True, exist_ok=True)
        self._written = WrittenFiles(self._directory.outputs)
        self._closed = threading.Event()
        self._pushing_logs = threading.Thread(target=self._push_logs_again, daemon=True)
        self._pushing_logs.start()

    def fetch_part(self, mini_batch: int) -> None:
        part = self._directory.part(mini_batch)
        self._fetch_part(part, part)

    def _fetch_part(self, part: Path, target: Path) -> None:
        """Get a part from the run store, if it is there.

        Raises:
            NotStored: The run store cannot be read.
        """
        try:
            self._synced.remote_of(part).fetch(target)
        except FileNotFoundError:
            return
        except OSError as error:
            raise NotStored(
                f"{self._synced.remote.path}: cannot be read: {error.strerror}"
            ) from error

    def publish_part(self, record: Record) -> Record:
        mini_batch, part = record.index, self._directory.part(record.index)
        if record.error is not None and (stored := self._stored_success(record)):
            part.unlink()
            return stored
        output_dir = self._directory.output_dirs / record.output_dir
        try:
            self._push_written()
            if record.output_dir:  # Without files if it was uploaded before.
                self._push(_files(output_dir))
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
        return record

    def _stored_success(self, failed: Record) -> Record | None:
        stored = self._directory.part(failed.index).with_suffix(".stored")
        self._fetch_part(self._directory.part(failed.index), stored)
        record = read_record(stored)
        stored.unlink(missing_ok=True)
        holds = record and record.holds_for(failed.data, failed.settings)
        return record if holds else None

    def shown(self, path: str) -> str:
        return self._synced.remote_of(self._root / path).path

    def store(self) -> None:
        try:
            self._push_logs(self._directory.outputs)
        except OSError as error:
            raise NotStored(
                f"outputs cannot be uploaded to the run store {self._synced.remote.path}:"
                f" {error.strerror}"
            ) from error

    def close(self) -> None:
        self._closed.set()
        self._pushing_logs.join()
        self._written.close()
        try:
            # Not outputs: another driver may have resumed the run, and its nodes write them.
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
            self._synced.stamps[self._synced.path_of(file)] = FileStamp.of(file.stat())

    def _push(self, files: Iterable[Path]) -> None:
        with self._pushing:
            self._synced.update(files)

    def _push_written(self) -> None:
        """Upload what was written to outputs, without looking at everything that is in them.

        What a script still writes to is not uploaded: it would be half a file.
        """
        with self._pushing:
            written = self._written.take()
            if written is None:
                written = self._all_below(self._directory.outputs)
            unfinished = self._synced.update(written, is_open_for_writing)
            self._written.put_back(unfinished)

    def _push_logs(self, *others: Path) -> None:
        """Upload what is new in the logs, and in other folders."""
        directory = self._directory
        shared = (directory.error_summary, directory.job_log)
        for log in shared:
            if log.exists():
                share = directory.log_of_node(log, self._root.name)
                share.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(log, share)
        with self._pushing:
            below = self._all_below(directory.logs, directory.from_nodes, *others)
            self._synced.update(below.difference(shared))

    def _all_below(self, *folders: Path) -> set[Path]:
        """The files in some folders that are here or in the store."""
        return {
            file
            for folder in folders
            for file in (*_files(folder), *self._synced.known_below(folder))
        }

    def _push_logs_again(self) -> None:
        seconds = 0.0
        while not self._closed.wait(max(LOGS_SECONDS, seconds * LOGS_REST)):
            started = time.monotonic()
            # What cannot be uploaded now is uploaded next time.
            with suppress(OSError):
                self._push_logs(self._directory.outputs)
            seconds = time.monotonic() - started


def _moved(config: EntryConfig, root: Path) -> EntryConfig:
    """The configuration with the step directory replaced, in arguments and variables, too."""
    old, new = config.step_directory, str(root)
    return dataclasses.replace(
        config,
        step_directory=new,
        # A part that is uploaded when its mini-batch has run is a file.
        packs="",
        code=config.code.replace(old, new),
        arguments=tuple(argument.replace(old, new) for argument in config.arguments),
        environment_variables={
            name: value.replace(old, new) for name, value in config.environment_variables.items()
        },
    )


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)
