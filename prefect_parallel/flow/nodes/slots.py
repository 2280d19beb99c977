"""A slot is a thread of a Dask worker, which a task run leaves while it waits."""

from __future__ import annotations

import threading

from distributed import rejoin, secede

_thread = threading.local()


def leave_slot(*, returns: bool = True) -> None:
    """Let another task use the thread pool's place of this thread; nothing if it has left before.

    `returns` is whether the task will ask for it back by `return_to_slot`.
    """
    if getattr(_thread, "returns", None) is None:
        _thread.returns = returns
        secede()


def return_to_slot() -> None:
    """Wait until the thread has a place again, if it left one to return."""
    if getattr(_thread, "returns", None):
        _thread.returns = None
        rejoin()
