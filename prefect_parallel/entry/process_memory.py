"""`max_process_memory`: entry processes are replaced before they reach it, and killed above it.

The limit is on resident memory, as the node sees it. Limits of the operating system count what is
reserved (`RLIMIT_AS`) or may be written to (`RLIMIT_DATA`), of which numpy, Arrow and CUDA use a
part only.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import psutil

INTERVAL_SECONDS = 0.05
"""How often the memory of processes is looked at; a look takes some 20 microseconds each."""

SHARE = 0.8
"""The share of the memory that `init` has left at which a process is replaced."""


class ProcessMemory:
    """Watches the memory of a node's entry processes, which are known by name. Thread-safe."""

    def __init__(self, limit: int | None) -> None:
        """Watch no process yet; a `limit` in bytes of None is no limit."""
        self._limit = limit
        self._watched: dict[str, _Watched] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="process memory", daemon=True)

    def watch(self, name: str, pid: int) -> None:
        """Kill a process as soon as it exceeds the limit."""
        if self._limit is None:
            return
        try:
            watched = _Watched(psutil.Process(pid))
        except psutil.NoSuchProcess:
            return
        with self._lock:
            self._watched[name] = watched
            if self._thread.ident is None:
                self._thread.start()

    def initialized(self, name: str) -> None:
        """Note what a process uses after `init`: a new one would use as much."""
        if (watched := self._watched.get(name)) is not None:
            watched.initial = watched.resident()

    def forget(self, name: str) -> None:
        """Called when a process has ended."""
        with self._lock:
            self._watched.pop(name, None)

    def exceeded_by(self, name: str) -> str | None:
        """Why a process was killed; None if it was not."""
        watched = self._watched.get(name)
        if watched is None or watched.killed_at is None:
            return None
        return f"it used {memory_text(watched.killed_at)} (max_process_memory: {self._limit})"

    def outgrown_by(self, name: str) -> str | None:
        """Why a process should be replaced before its next mini-batch; None if it should not."""
        watched = self._watched.get(name)
        if watched is None or self._limit is None:
            return None
        # It may just have been killed.
        resident = watched.killed_at or watched.resident()
        if resident <= watched.initial + SHARE * (self._limit - watched.initial):
            return None
        return f"replaced at {memory_text(resident)} (max_process_memory: {self._limit})"

    def close(self) -> None:
        """Watch no longer."""
        self._closed.set()

    def _watch(self) -> None:
        assert self._limit is not None
        while not self._closed.wait(INTERVAL_SECONDS):
            with self._lock:
                for watched in self._watched.values():
                    watched.kill_above(self._limit)


@dataclass
class _Watched:
    """An entry process.

    Attributes:
        initial: Its resident memory after `init`, in bytes.
        killed_at: Its resident memory when it was killed; None if it was not.
    """

    process: psutil.Process
    initial: int = 0
    killed_at: int | None = None

    def resident(self) -> int:
        """Its resident memory in bytes; 0 if it has ended."""
        try:
            return int(self.process.memory_info().rss)
        except psutil.NoSuchProcess:
            return 0

    def kill_above(self, limit: int) -> None:
        resident = self.resident()
        if self.killed_at is None and resident > limit:
            self.killed_at = resident
            try:
                self.process.kill()
            except psutil.NoSuchProcess:
                return


def memory_text(size: int) -> str:
    """`2.1 GB`, or `640 MB` below 1 GB."""
    return f"{size / 1024**3:.1f} GB" if size >= 1024**3 else f"{size / 1024**2:.0f} MB"
