"""Remote files and folders through fsspec, with retries of transient errors."""

from __future__ import annotations

import errno
import io
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from prefect_parallel.errors import InvalidInput, PrefectParallelError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_Result = TypeVar("_Result")

# Seconds between the attempts of one call. Cloud drivers retry inside each attempt as well, so no
# further attempt starts after `_PATIENCE` seconds.
_WAITS = (0.2, 0.5, 1.0)
_PATIENCE = 30.0

# Bytes read beyond a requested range: the rest of its last line is usually there.
_READ_AHEAD = 64 * 1024

_EXTRAS = {
    **dict.fromkeys(("abfs", "abfss", "az"), "azure"),
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gcs"),
    **dict.fromkeys(("http", "https"), "http"),
}
# `wasb[s]://container@account.blob.core.windows.net/path`, an older name of the same place.
_WASB = re.compile(r"wasbs?://([^/@]+@[^/.]+)\.blob\.")

# Keys of a driver's file info that change with the content, the most reliable first.
_VERSIONS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "Last-Modified", "updated")

_FINAL = (
    PermissionError,
    IsADirectoryError,
    NotADirectoryError,
    NotImplementedError,
    TypeError,
    ValueError,
)
_RETRIED_STATUS = frozenset({408, 425, 429})
_NOT_FOUND = 404
_FORBIDDEN = frozenset({401, 403})


class RemotePath:
    """A remote file or folder. All methods raise `OSError`, with `strerror` set."""

    def __init__(self, url: str, storage_options: Mapping[str, Any]) -> None:
        """Selects the driver, without connecting.

        Raises:
            InvalidInput: There is no driver for the URL, or it refuses the options.
        """
        self.url = _WASB.sub(r"abfss://\1.dfs.", url)
        self._filesystem, self._path = _driver(self.url, storage_options)

    def kind(self) -> str | None:
        """`file` or `folder`; None if nothing exists."""
        try:
            found = self._info()
        except FileNotFoundError:
            return None
        return "folder" if found["type"] == "directory" else "file"

    def size_and_version(self) -> tuple[int | None, str | None]:
        """Size of the file in bytes, and a version that changes with its content."""
        found = self._info()
        if found["type"] == "directory":
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        return found["size"], _version(found)

    def read(self, start: int, stop: int) -> bytes:
        """Reads a range of bytes, which must not be empty."""

        def read() -> bytes:
            data: bytes = self._filesystem.cat_file(self._path, start=start, end=stop)
            if len(data) != stop - start:
                raise OSError(
                    errno.EIO,
                    f"requested bytes {start}-{stop}, received {len(data)}: the server does not"
                    " support range requests, or the file has changed",
                )
            return data

        return _retried(read)

    def files(self) -> Iterator[tuple[str, int | None, str | None]]:
        """All files below the folder, in any order: relative path, size, version."""
        found = _retried(lambda: self._filesystem.find(self._path, detail=True))
        start = len(self._path.rstrip("/")) + 1
        for name, info in found.items():
            # Some stores mark a folder by an empty file whose name ends in a slash.
            if info["type"] != "directory" and not name.endswith("/"):
                yield name[start:], info["size"], _version(info)

    def fetch(self, target: str) -> None:
        """Copies the file to a local path."""
        _retried(lambda: self._filesystem.get_file(self._path, target))

    def put(self, source: str, check: Callable[[], None]) -> None:
        """Copies a local file here.

        `check` is called between the parts of a large file, if nobody sees those that were sent;
        it may raise a PrefectParallelError.
        """
        from fsspec.asyn import AsyncFileSystem
        from fsspec.callbacks import Callback

        check()
        # Other drivers leave what was sent.
        checked = Callback(hooks={"check": lambda *_, **__: check()})
        callbacks = {"callback": checked} if isinstance(self._filesystem, AsyncFileSystem) else {}
        _retried(lambda: self._filesystem.put_file(source, self._path, **callbacks))

    def remove(self) -> None:
        """Removes the file, if it exists."""
        try:
            _retried(lambda: self._filesystem.rm_file(self._path))
        except FileNotFoundError:
            return

    def _info(self) -> dict[str, Any]:
        return _retried(lambda: self._filesystem.info(self._path))


class RemoteFile(io.RawIOBase):
    """A remote file as a file object that reads by ranges."""

    def __init__(self, place: RemotePath, size: int) -> None:
        self._place = place
        self._size = size
        self._at = 0
        self._ahead = b""
        self._ahead_at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        stop = self._size if size is None or size < 0 else min(self._at + size, self._size)
        data = self._range(self._at, stop) if stop > self._at else b""
        self._at += len(data)
        return data

    def _range(self, start: int, stop: int) -> bytes:
        inside = start - self._ahead_at
        have = self._ahead[inside : inside + stop - start] if inside >= 0 else b""
        if len(have) == stop - start:
            return have
        first = start + len(have)
        data = self._place.read(first, min(stop + _READ_AHEAD, self._size))
        self._ahead_at, self._ahead = stop, data[stop - first :]
        return have + data[: stop - first]


def _driver(url: str, storage_options: Mapping[str, Any]) -> tuple[AbstractFileSystem, str]:
    import fsspec

    head, _, tail = url.partition("::")
    # With several schemes, it is a chain such as `zip://a.csv::s3://bucket/b.zip`.
    colons = "\0\0" if "://" in head and "://" not in tail else "::"
    try:
        # A cached listing could hide that a file has changed.
        filesystem, path = fsspec.core.url_to_fs(
            url.replace("::", colons), use_listings_cache=False, **storage_options
        )
    except ImportError as error:
        scheme = url.partition(":")[0]
        extra = _EXTRAS.get(scheme)
        install = f"pip install 'prefect-parallel[{extra}]'" if extra else str(error)
        raise InvalidInput(
            f"{url}: the driver for {scheme}:// is not installed", hint=install
        ) from error
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"{url}: cannot be opened: {error}") from error
    return filesystem, path.replace(colons, "::")


def _version(info: Mapping[str, Any]) -> str | None:
    found = next((info[name] for name in _VERSIONS if info.get(name)), None)
    return None if found is None else str(found).strip('"')


def _retried(call: Callable[[], _Result]) -> _Result:
    """Calls a function, and again if it fails with a transient error.

    Raises:
        OSError: The last attempt failed, or an attempt failed for good.
    """
    until = time.monotonic() + _PATIENCE
    for wait in (*_WAITS, None):
        try:
            return call()
        except PrefectParallelError:
            raise
        except Exception as error:  # The drivers' errors have no common base.
            if wait is None or time.monotonic() > until or _is_final(error):
                raise _as_os_error(error) from error
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def _is_final(error: Exception) -> bool:
    """Whether another attempt is pointless; unknown errors are considered transient."""
    status = _status(error)
    if status is not None:
        return 400 <= status < 500 and status not in _RETRIED_STATUS
    return isinstance(error, (FileNotFoundError, *_FINAL)) and not _is_unreachable(error)


def _is_unreachable(error: Exception) -> bool:
    """Whether a driver reports a connection that failed as a file that does not exist."""
    cause = error.__cause__
    return isinstance(error, FileNotFoundError) and (
        isinstance(cause, (OSError, TimeoutError)) and not isinstance(cause, FileNotFoundError)
    )


def _status(error: BaseException | None) -> int | None:
    """The HTTP status behind a driver's error."""
    while error is not None:
        response = getattr(error, "response", None)
        in_response = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
        for found in (
            getattr(error, "status", None),
            getattr(error, "status_code", None),
            getattr(error, "code", None),
            in_response.get("HTTPStatusCode"),
        ):
            if isinstance(found, int):
                return found
        error = error.__cause__
    return None


def _as_os_error(error: Exception) -> OSError:
    status = _status(error)
    if _is_unreachable(error):
        return OSError(errno.EIO, str(error.__cause__))
    if status == _NOT_FOUND or (status is None and isinstance(error, FileNotFoundError)):
        return FileNotFoundError(errno.ENOENT, "no such file or folder")
    text = " ".join(str(error).split()) or type(error).__name__
    if status in _FORBIDDEN or isinstance(error, PermissionError):
        return PermissionError(errno.EACCES, f"permission denied: {text}")
    if status is not None and isinstance(error, FileNotFoundError):
        text = f"the server answered with status {status}"
    if isinstance(error, OSError) and error.errno and error.strerror:
        text = error.strerror
    return OSError(errno.EIO, text)
