"""Faults of a node, such as a full disk: a mini-batch that fails of them runs elsewhere."""

from __future__ import annotations

import errno
import threading
from typing import Any

from prefect_parallel.errors import PrefectParallelError

ATTEMPTS = 3
"""Number of attempts in a row that fail of the same fault until a node is left out."""

ERRNOS = {errno.ENOSPC: "no space left on device", errno.EROFS: "read-only file system"}
"""Errors of the operating system that are faults of a node."""

_GPU_LOST = (
    "no CUDA-capable device is detected",
    "CUDA-capable device(s) is/are busy or unavailable",
    "uncorrectable ECC error",
    "GPU is lost",
    "GPU has fallen off the bus",
)
"""What CUDA and its driver say of a GPU that does not work; libraries put it into their errors."""

FAULTS = {*ERRNOS.values(), "lost GPU"}

_MAX_CAUSES = 10


class UnusableNode(PrefectParallelError):
    """Nothing can be expected to succeed on a node: `init` never did, it has a fault, or it ends.

    Attributes:
        node: The node's name.
        traceback: The last traceback.
        traceback_file: The log with the traceback, relative to the step's directory; empty if
            there is none.
    """

    def __init__(self, message: str, node: str, traceback: str, traceback_file: str) -> None:
        super().__init__(message)
        self.node = node
        self.traceback = traceback
        self.traceback_file = traceback_file

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.node, self.traceback, self.traceback_file)


class NodeFaults:
    """Counts the attempts in a row that failed of the same fault. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fault: str | None = None
        self._count = 0

    def add(self, fault: str | None) -> int:
        """Add an attempt; None if it has succeeded, or failed of something else.

        Returns:
            Number of attempts in a row that failed of this fault.
        """
        with self._lock:
            self._count = self._count + 1 if fault is not None and fault == self._fault else 1
            self._fault = fault
            return self._count if fault is not None else 0


def fault_of(error: BaseException) -> str | None:
    """The fault of the node, one of `FAULTS`, that caused an exception; None if there is none."""
    cause: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if cause is None:
            break
        if isinstance(cause, OSError) and cause.errno in ERRNOS:
            return ERRNOS[cause.errno]
        text = str(cause).casefold()
        if any(phrase.casefold() in text for phrase in _GPU_LOST):
            return "lost GPU"
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return None
