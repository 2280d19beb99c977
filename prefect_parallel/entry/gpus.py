"""The GPUs of a node, and who has which."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Sequence

VISIBLE = "CUDA_VISIBLE_DEVICES"

NVIDIA_SMI_SECONDS = 30.0
"""It takes seconds on a machine with many GPUs; one that takes longer does not work."""


def ask_nvidia_smi(*arguments: str) -> list[str]:
    """The lines that `nvidia-smi` prints; none where there is none, or where it does not work."""
    try:
        answer = subprocess.run(
            ["nvidia-smi", *arguments],  # noqa: S607 - wherever it is
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=NVIDIA_SMI_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return answer.stdout.splitlines() if answer.returncode == 0 else []


def devices_of_this_node() -> list[str]:
    """The GPUs that CUDA programs started here could see, as `CUDA_VISIBLE_DEVICES` names them.

    A list of the user's or of a cluster's scheduler is kept to.
    """
    # A MIG slice is a line of its own, indented below its GPU's.
    count = sum(line.startswith("GPU ") for line in ask_nvidia_smi("-L"))
    allowed = os.environ.get(VISIBLE)
    if count == 0 or allowed is None:
        return [str(index) for index in range(count)]
    return [device.strip() for device in allowed.split(",") if device.strip() not in ("", "-1")]


def default_slots(gpus: int | None = None) -> int:
    """How many entry processes a node like this one runs if the step does not say.

    Args:
        gpus: How many of its GPUs are used; None: all.
    """
    return 1 if devices_of_this_node()[:gpus] else os.cpu_count() or 1


class Gpus:
    """Lends each entry process a GPU of its own while there are any. May be used by threads."""

    def __init__(self, devices: Sequence[str], limit: int | None = None) -> None:
        """Lend devices.

        Args:
            devices: Those that the node has.
            limit: How many of them are lent; None: all.
        """
        self._any = bool(devices)
        self._free = list(devices[:limit])
        self._lent: dict[str, str] = {}
        self._lock = threading.Lock()

    def lend(self, process: str) -> dict[str, str]:
        """Lend a device to a process that is about to start.

        Returns:
            The environment variables that show it only that device; none, where all are lent; on a
            node without GPUs, no variable is set.
        """
        if not self._any:
            return {}
        with self._lock:
            if self._free:
                self._lent[process] = self._free.pop(0)
            return {VISIBLE: self._lent.get(process, "")}

    def take_back(self, process: str) -> None:
        """Take back what a process had that has ended."""
        with self._lock:
            if process in self._lent:
                self._free.append(self._lent.pop(process))
