"""Resources of a node's entry processes: interpreter, variables, GPU, memory, monitor, log cap."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from prefect_parallel.entry.azure_variables import GPU_COUNT
from prefect_parallel.entry.config import EntryConfig, ProcessName
from prefect_parallel.entry.container import ContainerPython
from prefect_parallel.entry.environment_builder import interpreter_for, python_in
from prefect_parallel.entry.gpus import Gpus, devices_of_this_node
from prefect_parallel.entry.interpreter import Interpreter
from prefect_parallel.entry.log_cap import LogCap
from prefect_parallel.entry.monitor import ResourceMonitor
from prefect_parallel.entry.process_memory import ProcessMemory

Python: TypeAlias = Interpreter | ContainerPython

VariableLookup: TypeAlias = Callable[[Mapping[str, str]], Mapping[str, str]]
"""Maps environment variables given as templates to their values, and adds those of the node."""


class ProcessResources:
    """Provides each entry process with what it runs on, and watches what it uses. Thread-safe.

    Attributes:
        memory: Of the processes, with its limit.
    """

    def __init__(self, config: EntryConfig, node: str, look_up: VariableLookup) -> None:
        directory = config.directory
        self._directory = directory
        self._config = config
        self._look_up = look_up
        self._lock = threading.Lock()
        self._ready: tuple[Python, Mapping[str, str]] | None = None
        devices = devices_of_this_node()
        self._gpus = Gpus(devices, config.gpus)
        self._monitor = ResourceMonitor(
            directory.perf(node), config.resource_monitor_interval, has_gpus=bool(devices)
        )
        self._log_cap = LogCap(directory.job_log)
        self.memory = ProcessMemory(config.max_process_memory)

    def get_ready(self) -> Python:
        """The Python for processes. The first call builds it and looks up variables.

        Raises:
            EnvironmentBuildFailed: The environment cannot be built.
            PrefectParallelError: A variable cannot be looked up.
        """
        with self._lock:
            if self._ready is None:
                looked_up = self._look_up(self._config.environment_templates)
                self._ready = self._python(), looked_up
            return self._ready[0]

    def _python(self) -> Python:
        config = self._config
        if config.image is None:
            return interpreter_for(config.environment)
        return python_in(config.image, config.environment)

    def variables(self, name: ProcessName) -> dict[str, str]:
        """Environment variables for a new process, including the GPU that is reserved for it."""
        assert self._ready is not None, "by get_ready()"
        return {
            GPU_COUNT: str(self._gpus.count),
            **self._gpus.assign(name.process),
            **self._ready[1],
            **self._config.environment_variables,
        }

    def started(self, name: ProcessName, pid: int) -> None:
        """Called when a process has started."""
        logs = name.logs(self._directory)
        self._log_cap.watch((logs.stdout, logs.stderr, logs.entry_script_log))
        self._monitor.watch(name.process, pid)
        self.memory.watch(name.process, pid)

    def removed(self, log: Path) -> int:
        """Number of bytes that were removed from a log of a process, because it was too large."""
        return self._log_cap.removed(log)

    def ended(self, name: ProcessName) -> None:
        """Called when a process has ended or could not be started."""
        self._gpus.release(name.process)
        self.memory.forget(name.process)

    def stop_sampling(self) -> None:
        """Take a last sample while processes are still alive."""
        self._monitor.close()

    def close(self) -> None:
        """Called when all processes have ended."""
        self._log_cap.close()
        self.memory.close()
