"""What a node does around each of its entry processes."""

from __future__ import annotations

from prefect_parallel.entry.config import EntryConfig, ProcessName
from prefect_parallel.entry.gpus import Gpus, devices_of_this_node
from prefect_parallel.entry.log_cap import LogCap
from prefect_parallel.entry.monitor import ResourceMonitor


class ProcessCare:
    """Lends each entry process a GPU, samples what it uses, keeps its logs from growing for ever.

    May be used by several threads.
    """

    def __init__(self, config: EntryConfig, node: str) -> None:
        directory = config.directory
        self._directory = directory
        self._gpus = Gpus(devices_of_this_node(), config.gpus)
        self._monitor = ResourceMonitor(directory.perf(node), config.resource_monitor_interval)
        self._log_cap = LogCap(directory.job_log)

    def environment(self, name: ProcessName) -> dict[str, str]:
        """Variables for a process that is about to start; what they lend is its until it ended."""
        return self._gpus.lend(name.process)

    def started(self, name: ProcessName, pid: int) -> None:
        """Called when a process runs, before it does anything."""
        logs = name.logs(self._directory)
        self._log_cap.watch((logs.stdout, logs.stderr, logs.entry_script_log))
        self._monitor.watch(name.process, pid)

    def ended(self, name: ProcessName) -> None:
        """Called when a process is gone, or could not be started."""
        self._gpus.take_back(name.process)

    def stop_sampling(self) -> None:
        """Take a last sample, while there are processes yet."""
        self._monitor.close()

    def close(self) -> None:
        """Called when all processes have ended."""
        self._log_cap.close()
