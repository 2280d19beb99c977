"""Samples the resource usage of a node and its entry processes into two CSV files."""

from __future__ import annotations

import csv
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from prefect_parallel.entry.gpus import ask_nvidia_smi
from prefect_parallel.layout import PerfLogs
from prefect_parallel.output.timestamps import format_timestamp

FIRST_SECONDS = 0.1
"""Interval over which the rates of the first sample are measured."""

_MEBIBYTE = 1024 * 1024

_NODE_COLUMNS = (
    "time",
    "cpu_percent",
    "memory_used_bytes",
    "memory_total_bytes",
    "disk_read_bytes_per_s",
    "disk_written_bytes_per_s",
    "network_received_bytes_per_s",
    "network_sent_bytes_per_s",
)
_GPU_COLUMNS = ("percent", "memory_used_bytes", "memory_total_bytes")
_PROCESS_COLUMNS = ("time", "process", "pid", "cpu_percent", "resident_bytes", "threads")


class ResourceMonitor:
    """Samples in a thread of its own: at once, every `interval` seconds, and when it is closed.

    CPU usage of a process with its children is in percent of one core and may exceed 100; that of
    the node is in percent of all cores.
    """

    def __init__(self, logs: PerfLogs, interval: float, *, has_gpus: bool = False) -> None:
        """Start the thread, unless the interval, in seconds, is 0."""
        self._logs = logs
        self._interval = interval
        self._asks_gpus = has_gpus
        self._watched: dict[str, _Watched] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resource monitor", daemon=True)
        if interval > 0:
            self._thread.start()

    def watch(self, name: str, pid: int) -> None:
        """Sample an entry process until it ends."""
        try:
            watched = _Watched(psutil.Process(pid))
        except psutil.NoSuchProcess:
            return
        with self._lock:
            self._watched[name] = watched

    def close(self) -> None:
        """Take a last sample and end the thread."""
        self._closed.set()
        if self._interval > 0:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._sample_until_closed()
        except OSError:
            # The step itself reports a disk that is full or gone.
            return

    def _sample_until_closed(self) -> None:
        gpus = list(self._gpu_usage())
        before = _Counters()
        self._closed.wait(FIRST_SECONDS)
        while True:
            is_last = self._closed.is_set()
            before = self._sample(before, gpus)
            if is_last:
                return
            self._closed.wait(self._interval)

    def _sample(self, before: _Counters, gpus: list[str]) -> _Counters:
        now = _Counters()
        sampled_at = format_timestamp(now.seconds)
        usage = self._gpu_usage()
        columns = [*_NODE_COLUMNS, *(f"gpu{gpu}_{name}" for gpu in gpus for name in _GPU_COLUMNS)]
        gpu_cells = [cell for gpu in gpus for cell in usage.get(gpu, [""] * len(_GPU_COLUMNS))]
        _append(self._logs.node, columns, [[sampled_at, *now.since(before), *gpu_cells]])
        _append(self._logs.processes, _PROCESS_COLUMNS, self._process_rows(sampled_at))
        return now

    def _gpu_usage(self) -> dict[str, list[Any]]:
        """GPU index -> its cells; empty from the first time on that nvidia-smi does not answer."""
        usage = _gpu_usage() if self._asks_gpus else {}
        self._asks_gpus = bool(usage)
        return usage

    def _process_rows(self, sampled_at: str) -> list[list[Any]]:
        with self._lock:
            watched = dict(self._watched)
        rows = []
        for name, each in watched.items():
            cells = each.sample()
            if cells is None:
                with self._lock:
                    del self._watched[name]
            else:
                rows.append([sampled_at, name, *cells])
        return rows


@dataclass
class _Watched:
    """An entry process and its descendants.

    Attributes:
        cpu_seconds: CPU time used up to the last sample.
        sampled_at: Time of the last sample; 0 before the first.
    """

    process: psutil.Process
    cpu_seconds: float = 0.0
    sampled_at: float = 0.0

    def sample(self) -> list[Any] | None:
        """The cells from `pid` on; None if the process has ended."""
        cpu_seconds, resident, threads = 0.0, 0, 0
        try:
            started_at = self.process.create_time()
            family = [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return None
        for each in family:
            try:
                with each.oneshot():
                    cpu_seconds += sum(each.cpu_times()[:4])
                    resident += each.memory_info().rss
                    threads += each.num_threads()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        if threads == 0:
            return None
        now = time.time()
        elapsed = now - (self.sampled_at or started_at)
        # The sum decreases when a killed child's times are not inherited by its parent.
        used = max(cpu_seconds - self.cpu_seconds, 0.0)
        self.cpu_seconds, self.sampled_at = cpu_seconds, now
        return [self.process.pid, _number(100 * used / max(elapsed, 0.001)), resident, threads]


@dataclass
class _Counters:
    """Counters of the node since it was booted, read when this is created."""

    seconds: float = field(default_factory=time.time)
    cpu: Any = field(default_factory=psutil.cpu_times)
    disk: Any = field(default_factory=psutil.disk_io_counters)
    network: Any = field(default_factory=psutil.net_io_counters)

    def since(self, before: _Counters) -> list[Any]:
        """The cells from `cpu_percent` on."""
        memory = psutil.virtual_memory()
        elapsed = max(self.seconds - before.seconds, 0.001)
        rates = [
            # A machine may have no disk or network counters.
            ""
            if ours is None or theirs is None
            else _number(max(getattr(ours, name) - getattr(theirs, name), 0) / elapsed)
            for ours, theirs, name in (
                (self.disk, before.disk, "read_bytes"),
                (self.disk, before.disk, "write_bytes"),
                (self.network, before.network, "bytes_recv"),
                (self.network, before.network, "bytes_sent"),
            )
        ]
        return [self._busy_percent(before), memory.total - memory.available, memory.total, *rates]

    def _busy_percent(self, before: _Counters) -> float:
        spent = {name: getattr(self.cpu, name) - getattr(before.cpu, name) for name in _CPU_FIELDS}
        whole = sum(spent.values())
        idle = spent["idle"] + spent.get("iowait", 0.0)
        return _number(100 * (1 - idle / whole)) if whole > 0 else 0.0


# On Linux `user` and `nice` include the guests' time.
_CPU_FIELDS = [name for name in psutil.cpu_times()._fields if not name.startswith("guest")]


def _gpu_usage() -> dict[str, list[Any]]:
    """GPU index -> its cells."""
    usage = {}
    for line in ask_nvidia_smi(
        "--query-gpu=index,utilization.gpu,memory.used,memory.total",
        "--format=csv,noheader,nounits",
    ):
        index, percent, *memory = (cell.strip() for cell in line.split(","))
        # Unsupported values are reported as `[N/A]` or similar.
        usage[index] = [
            percent if percent.isdigit() else "",
            *(int(cell) * _MEBIBYTE if cell.isdigit() else "" for cell in memory),
        ]
    return usage


def _append(path: Path, columns: Any, rows: list[list[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if file.tell() == 0:
            writer.writerow(columns)
        writer.writerows(rows)


def _number(value: float) -> float:
    return round(value, 1)
