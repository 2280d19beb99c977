"""Starts the entry processes of a node."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from prefect_parallel.entry.config import EntryConfig, ProcessName
from prefect_parallel.entry.container import ContainerPython, launch_in
from prefect_parallel.entry.entry_process import EntryProcess, InitFailed
from prefect_parallel.entry.function_file import EntryNames
from prefect_parallel.entry.node_faults import UnusableNode
from prefect_parallel.entry.node_logs import NodeLogs
from prefect_parallel.entry.process_resources import ProcessResources
from prefect_parallel.entry.spawner import Spawner

INIT_FAILURES_PER_SLOT = 3
"""Number of failures of `init` per slot after which a node without any success gives up."""


class ProcessStarter:
    """Starts entry processes, as long as there is hope that their `init` succeeds. Thread-safe."""

    def __init__(
        self,
        config: EntryConfig,
        node: str,
        resources: ProcessResources,
        logs: NodeLogs,
        refuse_if_closed: Callable[[], None],
    ) -> None:
        """Start no process yet.

        Args:
            refuse_if_closed: Raises an exception once the processes are ended from outside: one
                that was starting has not failed.
        """
        self._config = config
        self._node = node
        self._resources = resources
        self._logs = logs
        self._refuse_if_closed = refuse_if_closed
        # That of a container is started with the first process.
        self._spawner = Spawner() if config.image is None else None
        self._opening = threading.Lock()
        self._is_ended = False
        self._lock = threading.Lock()
        # After a crash or in a resumed run, the node has used process names before.
        self._started = logs.processes(node)
        self._has_succeeded = False
        self._failures = 0

    def start(self) -> EntryProcess | None:
        """Start a process; None if its `init` failed, and none has succeeded on this node.

        Raises:
            InitFailed: Its `init` failed, although that of others has succeeded.
            UnusableNode: `init` has failed too often, and has never succeeded; or no process can
                be started any more.
        """
        with self._lock:
            name = ProcessName(self._node, f"process{self._started:03d}")
            self._started += 1
        started_at = time.time()
        try:
            process = EntryProcess(self._open(), self._config, name, self._resources)
        except OSError:
            self._refuse_if_closed()
            self.refuse_if_killed()
            raise
        except InitFailed as error:
            self._refuse_if_closed()
            self.refuse_if_killed()
            if self._has_succeeded:
                raise
            self._logs.startup(name, started_at, str(error))
            self._count(error)
            return None
        self._logs.startup(name, started_at)
        self._has_succeeded = True
        return process

    def refuse_if_killed(self) -> None:
        """Refuse to go on without the process that starts entry processes, and ends with them.

        It is killed by whoever ends the node, as Slurm does at the time limit of a job.

        Raises:
            UnusableNode: It was killed, or hung.
        """
        if self._spawner is not None and self._spawner.gone:
            starter = f"the process that starts entry processes on {self._node}"
            message = f"{starter} {self._spawner.gone}"
            raise UnusableNode(message, self._node, traceback="", traceback_file="")

    def end_all(self) -> None:
        """End all processes at once."""
        self._is_ended = True
        if self._spawner is not None:
            self._spawner.close()

    def _open(self) -> Spawner:
        """What starts processes.

        Raises:
            EnvironmentBuildFailed: The container cannot be started.
            PrefectParallelError: As for `EntryProcess`.
        """
        with self._opening:
            if self._spawner is None:
                self._spawner = self._in_container()
                if self._is_ended:
                    self._spawner.close()
            return self._spawner

    def _in_container(self) -> Spawner:
        image, python = self._config.image, self._resources.get_ready()
        assert image is not None
        assert isinstance(python, ContainerPython)
        folder, seconds = self._config.step_directory, self._config.first_task_creation_timeout
        return Spawner(lambda: launch_in(image, python, folder, seconds))

    def _count(self, error: InitFailed) -> None:
        file = self._logs.script_error(error.name, error.failure)
        with self._lock:
            self._failures += 1
            failures = self._failures
        if failures >= INIT_FAILURES_PER_SLOT * self._config.slots:
            names = EntryNames.of(Path(self._config.code), self._config.entry_script)
            message = (
                f"{names.entry} failed before its first mini-batch, {failures} times on"
                f" {self._node}: {error}"
            )
            raise UnusableNode(message, self._node, error.failure.traceback, file)
