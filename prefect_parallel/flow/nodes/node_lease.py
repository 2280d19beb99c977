"""A worker of a shared Dask cluster as a node of one step, for as long as the driver renews it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from distributed import Reschedule, Status, Worker, WorkerPlugin, get_worker

from prefect_parallel.entry.gpus import default_slots
from prefect_parallel.flow.nodes.node_group import StepPlugin
from prefect_parallel.flow.nodes.slots import leave_slot

RENEWAL_SECONDS = 1.0
"""How often the driver renews its leases."""

MISSED_RENEWALS = 4
"""After so many renewals without one, the lease expires: the driver is taken to be gone.

They are counted by the worker, one a second, so that a worker that was suspended, or too busy to
answer, does not take its own silence for the driver's.
"""


WORKER_LOG = "distributed.worker"
"""Where Dask logs each function that it runs for a client; renewals would flood it."""


@dataclass(frozen=True)
class NodeRequest:
    """The nodes that a step asks a cluster for.

    Attributes:
        slots: Slots of each; None: each node decides, by its GPUs and threads.
        gpus: How many GPUs of a node are used; None: all.
    """

    nodes: int
    slots: int | None
    gpus: int | None = None

    def slots_of(self, threads: int) -> int:
        """The slots of this node, for a worker with so many threads. May run `nvidia-smi`."""
        return self.slots or min(default_slots(self.gpus), threads)


class NodeLease(WorkerPlugin):
    """Makes a worker a node: gives it the step's plugins, and offers its slots.

    The slots are a Dask resource that has the lease's name and that only tasks of the step ask for.
    """

    def __init__(
        self, name: str, request: NodeRequest, threads: int, plugins: list[StepPlugin]
    ) -> None:
        """Make the lease of one worker for a step; its name identifies the driver's task runner."""
        self.name = name
        self._request = request
        self._threads = threads
        self._plugins = plugins
        self._missed = 0

    async def setup(self, worker: Worker) -> None:
        """Make the worker a node."""
        self._worker = worker
        logging.getLogger(WORKER_LOG).addFilter(_is_no_renewal)
        for plugin in self._plugins:
            await worker.plugin_add(plugin, catch_errors=False)
        # In a thread, as `nvidia-smi` can hang.
        self._slots = await asyncio.to_thread(self._request.slots_of, self._threads)
        await worker.set_resources(**{self.name: self._slots})
        self._expiring = asyncio.create_task(self._expire())

    async def add(self, plugin: StepPlugin) -> None:
        """Give the node another plugin of the step."""
        self._plugins.append(plugin)
        await self._worker.plugin_add(plugin, catch_errors=False)

    def renew(self) -> None:
        """Let the lease last for another while."""
        self._missed = 0

    async def teardown(self, worker: Worker) -> None:
        """Stop being a node. The resource stays, with no slots, and the filter of the log."""
        if worker.status is Status.closing:
            return  # It removes all plugins by itself.
        # No tasks of the step come any more. The resource itself cannot be removed.
        with suppress(OSError):
            await worker.set_resources(**{self.name: 0})
        for plugin in self._plugins:
            # If the worker has joined again meanwhile, it has other plugins of the same names.
            if worker.plugins.get(plugin.name) is plugin:
                await worker.plugin_remove(plugin.name)

    def begin_task(self) -> None:
        """Called first by each task of the step, in its thread.

        A worker starts no more tasks than it has threads, so where slots outnumber these, a task
        makes room for the next.
        """
        if self._slots > self._threads:
            leave_slot(returns=False)

    async def _expire(self) -> None:
        while self._missed < MISSED_RENEWALS:
            await asyncio.sleep(RENEWAL_SECONDS)
            self._missed += 1
            if self._worker.plugins.get(self.name) is not self:
                return
        await self._worker.plugin_remove(self.name)


def _is_no_renewal(record: logging.LogRecord) -> bool:
    return record.args != (renew_lease.__name__,)


def renew_lease(dask_worker: Worker, name: str) -> None:
    """Run by the driver on its nodes, once every `RENEWAL_SECONDS`."""
    if name in dask_worker.plugins:
        lease_of(dask_worker.plugins, name).renew()


def lease_of(plugins: dict[str, WorkerPlugin], name: str) -> NodeLease:
    """The lease among the plugins of a worker."""
    return cast(NodeLease, plugins[name])


def run_in_slot(lease: str, function: Callable[..., Any], *args: Any, **arguments: Any) -> Any:
    """Run a task of a step on a node of it.

    Raises:
        Reschedule: The worker is no longer a node of the step.
    """
    plugins = get_worker().plugins
    if lease not in plugins:
        raise Reschedule
    lease_of(plugins, lease).begin_task()
    return function(*args, **arguments)
