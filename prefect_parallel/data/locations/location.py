"""Locations of data as users write them: local paths and URLs."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from prefect_parallel.atomic_write import atomic_write
from prefect_parallel.data.locations.datastores import NO_DATASTORES, Datastores, without_workspace
from prefect_parallel.data.locations.remote import RemoteFile, RemotePath
from prefect_parallel.data.mini_batch import File
from prefect_parallel.errors import InvalidInput, UnreadableMiniBatch, without_secrets

NANOSECONDS = 1_000_000_000
"""In a second."""

CHUNK_BYTES = 1024 * 1024
"""Size of the pieces in which a file is copied."""

# The name of the file that describes a table.
MLTABLE = "MLTable"


@dataclass(frozen=True, slots=True)
class Location:
    """A file or folder.

    Attributes:
        path: An absolute local path, in which nothing is percent-decoded, or a URL.
        datastores: Definitions of the `azureml:` names in URLs.
    """

    path: str
    datastores: Datastores = field(default=NO_DATASTORES, repr=False, compare=False)

    @classmethod
    def parse(
        cls, text: str, base: Location | None = None, datastores: Datastores = NO_DATASTORES
    ) -> Location:
        """Parses a path or URL.

        Args:
            text: As the user wrote it.
            base: Folder that a relative path starts from; None: the working directory.
            datastores: Definitions of `azureml:` names; ignored if there is a `base`.

        Raises:
            InvalidInput: An `azureml:` name is unknown.
        """
        datastores = base.datastores if base else datastores
        if re.match("file:", text, re.IGNORECASE):
            text = re.sub(r"^[^:]+:(//(localhost)?(?=/))?", "", text)
        elif text.startswith("azureml:"):
            return cls._of_name(text, datastores)
        elif "://" in text:
            return cls(text, datastores)
        if base is not None and base.is_remote:
            return base.join(text)
        return cls(os.path.abspath(os.path.join(base.path if base else "", text)), datastores)  # noqa: PTH100, PTH118

    @classmethod
    def _of_name(cls, text: str, datastores: Datastores) -> Location:
        asset = datastores.asset(text)
        if asset is not None:
            return cls.parse(asset.path, datastores=datastores)
        text = without_workspace(text)
        url, _ = datastores.resolve(text)
        # The name is kept: two datastores may differ only in their credentials.
        return cls(text, datastores) if "://" in url else cls.parse(url, datastores=datastores)

    @property
    def is_remote(self) -> bool:
        return "://" in self.path

    @property
    def name(self) -> str:
        """The last part of the path, without the query of a web address."""
        return posixpath.basename(without_secrets(self.path).rstrip("/"))

    @property
    def parent(self) -> Location:
        return Location(posixpath.dirname(self.path.rstrip("/")), self.datastores)

    def join(self, path: str) -> Location:
        """A path relative to this one; an absolute `path` replaces a local one."""
        if not self.is_remote:
            return Location(os.path.abspath(os.path.join(self.path, path)), self.datastores)  # noqa: PTH100, PTH118
        scheme, _, rest = self.path.partition("://")
        joined = posixpath.normpath(f"{rest}/{path}")
        return Location(f"{scheme}://{joined}", self.datastores)

    def exists(self) -> bool:
        """Whether there is a file or folder.

        Raises:
            InvalidInput: The server cannot be asked.
        """
        if self.is_remote:
            return self._kind() is not None
        return os.path.exists(self.path)  # noqa: PTH110

    def holds_mltable(self) -> bool:
        """Whether the folder contains a file named MLTable."""
        if self.is_remote:
            return self.join(MLTABLE)._kind() == "file"
        return os.path.isfile(os.path.join(self.path, MLTABLE))  # noqa: PTH113, PTH118

    def is_folder(self) -> bool:
        if self.is_remote:
            return self._kind() == "folder"
        return os.path.isdir(self.path)  # noqa: PTH112

    def file(self) -> File:
        """The file as it is now, without a size if it cannot be accessed."""
        if not self.is_remote:
            return File.at(self.path)
        try:
            return File(self.path, *self.remote_path().size_and_version())
        except OSError:
            return File(self.path, None, None)

    def size_and_version(self) -> tuple[int | None, int | str | None]:
        """Size and version of a file; an OSError if it cannot be accessed."""
        if self.is_remote:
            return self.remote_path().size_and_version()
        state = os.stat(self.path)  # noqa: PTH116
        return state.st_size, state.st_mtime_ns

    def check_unchanged(self, planned: File) -> None:
        """Checks that a file is the one that was planned.

        Raises:
            UnreadableMiniBatch: The file is gone, or its size, modification time (local) or version
                (remote) is another one.
        """
        try:
            size, version = self.size_and_version()
        except OSError as error:
            raise UnreadableMiniBatch(f"{self.path}: cannot be opened: {error.strerror}") from error
        if planned.size is not None and size != planned.size:
            raise UnreadableMiniBatch(
                f"{self.path}: has changed since the mini-batches were planned:"
                f" it had {planned.size} bytes and now has {size}"
            )
        if planned.version is not None and not self._is_same(planned.version, version):
            how = (
                f"its version was {planned.version} and is now {version}"
                if self.is_remote
                else "it has the same size but another modification time"
            )
            raise UnreadableMiniBatch(
                f"{self.path}: has changed since the mini-batches were planned: {how}"
            )

    def _is_same(self, planned: int | str, found: int | str | None) -> bool:
        if isinstance(planned, int) and isinstance(found, int):
            # Nanoseconds of the modification time. Machines that share a folder may see different
            # fractions of a second: SMB has 7 digits, FUSE file systems often none.
            return planned // NANOSECONDS == found // NANOSECONDS
        return planned == found

    def open(self, size: int | None = None) -> IO[bytes]:
        """Opens a file for reading; the size of a remote one is requested unless it is given."""
        if not self.is_remote:
            return open(self.path, "rb")  # noqa: PTH123
        place = self.remote_path()
        if size is None:
            size, _ = place.size_and_version()
        if size is None:
            raise OSError(0, "the server does not report its size")
        return cast("IO[bytes]", RemoteFile(place, size))

    def fetch(self, target: Path) -> None:
        """Copies a remote file to a local path."""
        self.remote_path().fetch(str(target))

    def put(self, source: Path, check: Callable[[], None] = lambda: None) -> None:
        """Copies a local file here; no reader sees half of it.

        `check` is called again and again, and may raise a PrefectParallelError that ends it.
        """
        if self.is_remote:
            self.remote_path().put(str(source), check)
            return
        target = Path(self.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as file, atomic_write(target) as copy:
            while chunk := file.read(CHUNK_BYTES):
                check()
                copy.write(chunk)

    def remove(self) -> None:
        """Removes a file, if there is one."""
        if self.is_remote:
            self.remote_path().remove()
        else:
            Path(self.path).unlink(missing_ok=True)

    def _kind(self) -> str | None:
        try:
            return self.remote_path().kind()
        except OSError as error:
            raise InvalidInput(f"{self.path}: cannot be accessed: {error.strerror}") from error

    def remote_path(self) -> RemotePath:
        """The remote file or folder of a URL.

        Raises:
            InvalidInput: There is no driver for the URL.
        """
        return RemotePath(*self.datastores.resolve(self.path))
