"""Nodes on a Dask cluster that others may use, too."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import dask
from distributed import Client, Future, Worker

from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.nodes.node_group import (
    CONNECTED,
    NodeGroup,
    NodePart,
    NodeRefused,
    NoNode,
)
from prefect_parallel.flow.nodes.node_lease import NodeInfo, NodeLease, NodeRequest, lease_of, take

LOOK_SECONDS = 1.0
"""How often is looked for workers that came or went."""

FIRST_LOOK_SECONDS = 0.2
"""How often until there are nodes."""

PATIENCE_SECONDS = 10.0
"""How long a step waits for all the nodes that it wants, once there is one."""

HINT = "\n    hint: install prefect-parallel in the worker's Python, in the driver's version"


class SharedCluster(NodeGroup):
    """Some workers of a cluster that others may use, too; those are left alone.

    A node offers its slots as a Dask resource that only this step's tasks ask for, and has a thread
    for each, whatever the number of the worker's own threads. When one is lost, another worker
    takes its place, if there is one.
    """

    def __init__(self, client: Client, request: NodeRequest) -> None:
        self._client = client
        self._request = request
        self._key = f"prefect-parallel-{uuid4().hex}"
        self._plugins: dict[str, NodePart] = {}
        self._nodes: dict[str, NodeInfo] = {}
        self._refused: dict[str, str] = {}
        # Held for as long as the nodes are to be this driver's.
        self._leases: list[Future[Any]] = []
        # Held while nodes and plugins are brought together.
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._looking: threading.Thread | None = None

    def submit(self, function: Callable[..., Any], *args: Any, **arguments: Any) -> Future[Any]:
        with dask.annotate(executor=self._key):  # type: ignore[attr-defined]
            resources = {self._key: 1}
            return Client.submit(self._client, function, *args, resources=resources, **arguments)

    def assemble(self, limit: float, canceled: threading.Event) -> str | None:
        started = time.monotonic()
        wanted = self._request.nodes
        while not canceled.is_set():
            self._look()
            waited, found = time.monotonic() - started, len(self._nodes)
            if found == wanted or (found > 0 and waited > PATIENCE_SECONDS):
                break
            if waited > limit:
                raise NoNode(
                    f"no Dask worker was there within first_task_creation_timeout: {limit:g} s",
                    hint="look whether the workers of the compute's cluster run",
                )
            canceled.wait(FIRST_LOOK_SECONDS)
        self._looking = threading.Thread(target=self._look_again, daemon=True)
        self._looking.start()
        if len(self._nodes) == wanted:
            return None
        return (
            f"{wanted} nodes are wanted, the cluster has {len(self._nodes)}: it goes on with what"
            " is there, and uses workers that come later"
        )

    def _look(self) -> None:
        """Forget the nodes that are gone, and let other workers take their places.

        Raises:
            NodeRefused: All workers that there are cannot be nodes.
        """
        with self._lock:
            workers = self._workers()
            self._nodes = {each: node for each, node in self._nodes.items() if each in workers}
            for address in self._candidates(workers):
                if len(self._nodes) == self._request.nodes:
                    return
                self._join(address)
            self._refuse_none()

    def register(self, plugin: NodePart) -> None:
        with self._lock:
            self._plugins[plugin.name] = plugin
            answers = self._ask(list(self._nodes), _add, name=self._key, plugin=plugin)
            for address, answer in answers.items():
                if isinstance(answer, Exception):
                    self._refuse(address, answer)
                    self._ask([address], _leave, name=self._key)
            self._refuse_none()

    def unregister(self, name: str) -> None:
        with self._lock:
            self._plugins.pop(name, None)
            self._ask(list(self._nodes), _take, names=[name])

    def run(self, function: Callable[..., Any], **arguments: Any) -> None:
        self._ask(list(self._nodes), function, **arguments)

    def close(self) -> None:
        self._closed.set()
        if self._looking is not None:
            self._looking.join()
        self._ask(list(self._nodes), _leave, name=self._key)
        self._nodes.clear()

    def _look_again(self) -> None:
        while not self._closed.wait(LOOK_SECONDS):
            try:
                self._look()
            except (NodeRefused, OSError):
                # Whoever waits for the step's progress notices that there is none.
                continue

    def _workers(self) -> dict[str, dict[str, Any]]:
        """All of the cluster, by their addresses.

        Raises:
            OSError: The scheduler does not answer.
        """
        scheduler = self._client.scheduler
        if self._client.status != CONNECTED or scheduler is None:
            raise ConnectionError("the scheduler is gone")
        # Not by `scheduler_info`, whose answer another thread of the client may have replaced.
        identity = self._client.sync(scheduler.identity, n_workers=-1)
        workers: dict[str, dict[str, Any]] = identity["workers"]
        return workers

    def _candidates(self, workers: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Workers that could be nodes: those on machines of their own first, then idle ones."""
        hosts = Counter(node.host for node in self._nodes.values())
        free = [
            address
            for address, worker in workers.items()
            if worker["status"] == "running"
            and address not in self._nodes
            and address not in self._refused
        ]
        chosen = []
        while free:
            best = min(
                free,
                key=lambda each: (
                    hosts[workers[each]["host"]],
                    sum(workers[each]["resources"].values()),
                    str(workers[each]["name"]),
                ),
            )
            hosts[workers[best]["host"]] += 1
            free.remove(best)
            chosen.append(best)
        return chosen

    def _join(self, address: str) -> None:
        lease_key = f"{self._key}-{uuid4().hex}"
        try:
            self._leases += self._client.scatter({lease_key: None}, workers=[address]).values()
        except (KeyError, OSError, asyncio.TimeoutError):
            return  # It is lost, or pauses.
        lease = NodeLease(self._key, lease_key, self._request, list(self._plugins.values()))
        answer = self._ask([address], _join, lease=lease).get(address)
        if isinstance(answer, NodeInfo):
            self._nodes[address] = answer
        elif isinstance(answer, Exception):
            self._refuse(address, answer)

    def _refuse(self, address: str, error: Exception) -> None:
        """Do not take a worker; one that is lost is not there any more, anyway."""
        self._nodes.pop(address, None)
        if not isinstance(error, OSError):
            hint = "" if isinstance(error, PrefectParallelError) else HINT
            self._refused[address] = f"the Dask worker {address} cannot be a node: {error}{hint}"

    def _refuse_none(self) -> None:
        """Raise NodeRefused if there were workers, and none of them can be a node."""
        if not self._nodes and self._refused:
            raise NodeRefused("\n".join(self._refused.values()))

    def _ask(
        self, addresses: Sequence[str], function: Callable[..., Any], **arguments: Any
    ) -> dict[str, Any]:
        """Run a function on workers; what one that is lost meanwhile answers is an OSError.

        Without a scheduler, nobody answers: the step's tasks are lost, which ends it.
        """
        if not addresses or self._client.status != CONNECTED:
            return {}
        try:
            answers: dict[str, Any] = self._client.run(
                function, workers=list(addresses), on_error="return", **arguments
            )
        except OSError:
            return {}
        return answers


# `Client.run` gives a function the worker that it runs on, as `dask_worker`.


async def _join(dask_worker: Worker, lease: NodeLease) -> NodeInfo:
    return await lease.join(dask_worker)


async def _add(dask_worker: Worker, name: str, plugin: NodePart) -> None:
    await lease_of(dask_worker, name).add(plugin)


async def _take(dask_worker: Worker, names: list[str]) -> None:
    await take(dask_worker, names)


async def _leave(dask_worker: Worker, name: str) -> None:
    await lease_of(dask_worker, name).leave()
