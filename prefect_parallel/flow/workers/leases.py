"""Claims of mini-batches, as lease files on a disk that machines share.

Each worker has a heartbeat file, which it touches again and again; a lease names the worker. All
times are modification times, which the file system sets: the clocks of machines may differ.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

LEASE_SECONDS = 60.0
"""Default of how long leases last after the last heartbeat of their worker."""

RENEWALS = 4
"""How often a heartbeat is renewed in the time after which it expires."""


class Leases:
    """The leases of one worker, which end with its heartbeats. Thread-safe.

    A worker that was suspended for longer than its leases last may go on with a mini-batch that
    another one has taken over: both commit the same part.

    Attributes:
        worker: The worker's name.
    """

    def __init__(self, folder: Path, worker: str, seconds: float) -> None:
        """Begin the heartbeats.

        Args:
            folder: Where the workers of a run have their heartbeat files.
            worker: A name that no other worker has.
            seconds: How long the leases last after the last heartbeat.
        """
        self.worker = worker
        self._seconds = seconds
        folder.mkdir(parents=True, exist_ok=True)
        self._heartbeat = folder / worker
        self._heartbeat.write_text(f"{seconds:g}")
        self._closed = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._beating.start()

    def claim(self, lease: Path) -> bool:
        """Create a lease, unless a running worker has it."""
        if self._create(lease):
            return True
        holder = _holder(lease)
        if holder is None:
            return False
        # A lease without a name is that of a worker that is about to write it, or died before.
        heartbeat = self._heartbeat.with_name(holder) if holder else lease
        if _is_renewed(heartbeat, self._now(), self._seconds):
            return False
        return self._take_over(lease, holder) and self._create(lease)

    def release(self, lease: Path) -> None:
        """Delete a lease, unless another worker has taken it over."""
        if _holder(lease) == self.worker:
            lease.unlink(missing_ok=True)

    def close(self) -> None:
        """End the heartbeats."""
        self._closed.set()
        self._beating.join()
        self._heartbeat.unlink(missing_ok=True)

    def _create(self, lease: Path) -> bool:
        try:
            with lease.open("x") as file:
                file.write(self.worker)
        except FileExistsError:
            return False
        return True

    def _take_over(self, lease: Path, holder: str) -> bool:
        """Remove the lease of a worker that has died; False if another worker was faster."""
        taken = lease.with_name(f".{lease.name}.{self.worker}")
        try:
            lease.rename(taken)
        except FileNotFoundError:
            return False
        if _holder(taken) != holder:
            taken.rename(lease)
            return False
        taken.unlink()
        return True

    def _now(self) -> float:
        """The time of the file system."""
        os.utime(self._heartbeat)
        return self._heartbeat.stat().st_mtime

    def _beat(self) -> None:
        while not self._closed.wait(self._seconds / RENEWALS):
            # The disk may be away for a while. A deleted file would mean that this worker has died.
            with suppress(OSError):
                os.utime(self._heartbeat)


def running_workers(folder: Path) -> list[str]:
    """The names of the workers that are running, by their heartbeat files in a folder."""
    if not folder.is_dir():
        return []
    clock = folder / f".clock.{os.getpid()}"
    try:
        clock.touch()
        now = clock.stat().st_mtime
    finally:
        clock.unlink(missing_ok=True)
    beating = [path for path in folder.iterdir() if _is_renewed(path, now, LEASE_SECONDS)]
    return sorted(path.name for path in beating if not path.name.startswith("."))


def _is_renewed(heartbeat: Path, now: float, default: float) -> bool:
    """Whether a file was touched in the last seconds before `now`: as many as it says."""
    try:
        # Opened, because NFS looks up the attributes of a file anew only then.
        with heartbeat.open() as file:
            seconds = float(file.read() or default)
            return now - os.fstat(file.fileno()).st_mtime <= seconds
    except FileNotFoundError:
        return False


def _holder(lease: Path) -> str | None:
    """The worker that a lease names; None if it was released."""
    try:
        return lease.read_text()
    except FileNotFoundError:
        return None
