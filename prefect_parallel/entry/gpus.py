"""The GPUs of a node and the processes that they are assigned to."""

from __future__ import annotations

import logging
import os
import subprocess
import threading
from collections.abc import Sequence

VISIBLE = "CUDA_VISIBLE_DEVICES"

NVIDIA_SMI_SECONDS = 30.0
"""nvidia-smi takes a few seconds on machines with many GPUs; beyond this it is not working."""


def ask_nvidia_smi(*arguments: str) -> list[str]:
    """The lines printed by `nvidia-smi`; none if it is missing or fails."""
    try:
        process = subprocess.Popen(
            ["nvidia-smi", *arguments],  # noqa: S607 - wherever it is
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        answer, _ = process.communicate(timeout=NVIDIA_SMI_SECONDS)
    except OSError:
        return []
    except subprocess.TimeoutExpired:
        # Not waited for: a driver that hangs keeps it in uninterruptible sleep.
        process.kill()
        logging.getLogger(__name__).warning(
            "nvidia-smi did not answer within %g s: GPUs of this machine are ignored",
            NVIDIA_SMI_SECONDS,
        )
        return []
    return answer.splitlines() if process.returncode == 0 else []


def devices_of_this_node() -> list[str]:
    """The GPUs that CUDA programs can use here, as `CUDA_VISIBLE_DEVICES` names them.

    If the variable is set, by the user or a cluster's scheduler, only those in it.
    """
    # MIG slices are indented lines below the line of their GPU.
    count = sum(line.startswith("GPU ") for line in ask_nvidia_smi("-L"))
    allowed = os.environ.get(VISIBLE)
    if count == 0 or allowed is None:
        return [str(index) for index in range(count)]
    return [device.strip() for device in allowed.split(",") if device.strip() not in ("", "-1")]


def default_slots(gpus: int | None = None) -> int:
    """Default number of entry processes on a node like this one: 1 with GPUs, else one per core.

    Cores that this process may not use, e.g. those of other jobs of a cluster, do not count.
    """
    if devices_of_this_node()[:gpus]:
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Gpus:
    """Assigns each entry process a GPU of its own while there are free ones. Thread-safe.

    Attributes:
        count: Number of devices.
    """

    def __init__(self, devices: Sequence[str], limit: int | None = None) -> None:
        """Manage the first devices of a node, up to a limit."""
        self._any = bool(devices)
        self._free = list(devices[:limit])
        self.count = len(self._free)
        self._assigned: dict[str, str] = {}
        self._lock = threading.Lock()

    def assign(self, process: str) -> dict[str, str]:
        """Assign a device to a process that is about to start.

        Returns:
            Environment variables that make only that device visible, or none if all are assigned.
            Empty on a node without GPUs.
        """
        if not self._any:
            return {}
        with self._lock:
            if self._free:
                self._assigned[process] = self._free.pop(0)
            return {VISIBLE: self._assigned.get(process, "")}

    def release(self, process: str) -> None:
        """Free the device of a process that has ended."""
        with self._lock:
            if process in self._assigned:
                self._free.append(self._assigned.pop(process))
