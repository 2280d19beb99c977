"""A lock that lets one driver at a time write to a run directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from prefect_parallel.errors import os_error_text
from prefect_parallel.layout import RunDirectory, UnusableRunDirectory


def refuse_held(directory: RunDirectory) -> None:
    """Raise UnusableRunDirectory if another process holds a run directory now."""
    with hold(directory):
        return


def held_since(directory: RunDirectory) -> float | None:
    """Since when a process holds a run directory, in seconds since the epoch; None if none does."""
    try:
        with directory.lock_file.open() as file:
            holder = file.read()
            # A driver may live on after its run. It is looked for first, because trying the lock
            # would get in the way of a driver that is about to take it.
            if not holder.isdecimal() or not psutil.pid_exists(int(holder)):
                return None
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        pass
    return None


@contextmanager
def hold(directory: RunDirectory) -> Iterator[None]:
    """Lock a run directory; the system releases the lock if this process dies.

    Raises:
        UnusableRunDirectory: Another process holds it, or it cannot be written to.
    """
    try:
        file = directory.lock_file.open("a+b", buffering=0)
    except OSError as error:
        raise UnusableRunDirectory(os_error_text(error, directory.root)) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().decode().strip() or "?"
            raise UnusableRunDirectory(
                f"{directory.root} is in use by process {holder}; wait for it to end, or choose"
                " another name"
            ) from None
        file.truncate(0)
        try:
            file.write(str(os.getpid()).encode())
        except OSError as error:
            raise UnusableRunDirectory(os_error_text(error, directory.root)) from error
        yield
