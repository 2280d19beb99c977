"""What makes a Dask worker a node of a step: a plugin that holds until its driver is gone."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import cast

from distributed import Worker, WorkerPlugin, get_worker
from distributed.threadpoolexecutor import ThreadPoolExecutor
from distributed.worker import thread_state  # type: ignore[attr-defined]
from distributed.worker_state_machine import SecedeEvent

from prefect_parallel.entry.gpus import default_slots
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.nodes.node_group import NodePart


class DriverGone(PrefectParallelError):
    """A driver was killed, or has lost the scheduler, while a worker was about to be its node."""


@dataclass(frozen=True)
class NodeRequest:
    """What a step asks a cluster for.

    Attributes:
        nodes: How many.
        slots: Of each; None: each decides, by its GPUs and threads.
        gpus: How many of a node's GPUs are used; None: all.
    """

    nodes: int
    slots: int | None
    gpus: int | None = None

    def slots_of(self, worker: Worker) -> int:
        """How many slots a worker has as a node."""
        return self.slots or min(default_slots(self.gpus), worker.state.nthreads)


@dataclass(frozen=True)
class NodeInfo:
    """A worker that is a node.

    Attributes:
        name: The worker's.
        host: The machine that it runs on.
        slots: How many tasks it runs at a time.
    """

    name: str
    host: str
    slots: int


class SlotThreadPoolExecutor(ThreadPoolExecutor):
    """A thread for each slot of a node, beside the worker's own threads.

    Dask looks for `ThreadPoolExecutor` in the name of the class.
    """

    def __init__(self, slots: int, worker: Worker) -> None:
        super().__init__(slots, thread_name_prefix="Slot")
        self._outnumber_threads = slots > worker.state.nthreads

    def begin(self, worker: Worker, key: str) -> None:
        """Called by a task first; where slots outnumber threads, lets Dask start others beside.

        How long it takes is not known before its end, hence no duration.
        """
        if self._outnumber_threads:
            event = SecedeEvent(
                key=key,
                compute_duration=None,  # type: ignore[arg-type]
                stimulus_id=f"slot-{time.time()}",
            )
            worker.loop.add_callback(worker.handle_stimulus, event)


def begin_in_slot() -> None:
    """Called by a task first."""
    worker, key = get_worker(), thread_state.key
    annotations = worker.state.tasks[key].annotations or {}
    slots = worker.executors[annotations.get("executor", "default")]
    if isinstance(slots, SlotThreadPoolExecutor):
        slots.begin(worker, key)


class NodeLease(WorkerPlugin):
    """Makes a worker a node, until it leaves or its driver is gone.

    What keeps it the driver's is data that this has put on the worker: Dask frees that when the
    scheduler has lost the driver, even one that was killed.
    """

    def __init__(
        self, name: str, lease_key: str, request: NodeRequest, plugins: list[NodePart]
    ) -> None:
        """Make the plugin for one worker.

        Args:
            name: Of the plugin, of the slots' resource, and of their executor.
            lease_key: The key of the data.
            request: What is asked of the worker.
            plugins: What the node has from its first moment on.
        """
        self.name = name
        self._lease_key = lease_key
        self._request = request
        self._plugins = plugins

    async def join(self, worker: Worker) -> NodeInfo:
        """Make the worker a node.

        Raises:
            DriverGone: It has gone meanwhile.
        """
        self._worker = worker
        await worker.plugin_add(self, catch_errors=False)
        try:
            await self._give(self._plugins)
        except BaseException:
            await self._take_plugins()
            raise
        slots = self._request.slots_of(worker)
        worker.executors[self.name] = SlotThreadPoolExecutor(slots, worker)
        await worker.set_resources(**{self.name: slots})
        if self._lease_key not in worker.data:
            # Freed while the node was made: what had not been there yet was not taken away.
            await self.leave()
            raise DriverGone("the driver is gone")
        return NodeInfo(str(worker.name), worker.ip, slots)

    async def add(self, plugin: NodePart) -> None:
        """Give the node a plugin that all others get, too."""
        self._plugins.append(plugin)
        await self._give([plugin])

    async def leave(self) -> None:
        """Leave the worker as it was."""
        worker, state = self._worker, self._worker.state
        slots = worker.executors.pop(self.name, None)
        await self._take_plugins()
        if slots is not None:
            slots.shutdown(wait=False)
            await worker.set_resources(**{self.name: 0})
            # No more of it is told to schedulers; this one has it as 0 until the worker ends.
            del state.total_resources[self.name]
            del state.available_resources[self.name]

    def transition(self, key: object, start: str, finish: str, **_: object) -> None:
        """Called by the worker when any task's or data's state changes, in its event loop."""
        if key == self._lease_key and start == "memory":
            self._worker.loop.add_callback(self.leave)

    async def _give(self, plugins: list[NodePart]) -> None:
        for plugin in plugins:
            await self._worker.plugin_add(plugin, catch_errors=False)

    async def _take_plugins(self) -> None:
        await take(self._worker, [*(plugin.name for plugin in self._plugins), self.name])


async def take(worker: Worker, names: list[str]) -> None:
    """Take plugins away from a worker, those that it has."""
    for name in names:
        if name in worker.plugins:
            await worker.plugin_remove(name)


def lease_of(worker: Worker, name: str) -> NodeLease:
    """The plugin that makes a worker a node."""
    return cast(NodeLease, worker.plugins[name])
