"""Nodes on a Dask cluster that others may use, too."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

from distributed import Client, Future, Worker

from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.nodes.node_group import (
    ANSWER_SECONDS,
    CONNECTED,
    NodeGroup,
    NodeRefused,
    NodesGone,
    NoNode,
    StepPlugin,
    remove_plugin,
)
from prefect_parallel.flow.nodes.node_lease import (
    RENEWAL_SECONDS,
    NodeLease,
    NodeRequest,
    lease_of,
    renew_lease,
    run_in_slot,
)

LOOK_SECONDS = 1.0
"""How often the driver looks for workers that came or went."""

FIRST_LOOK_SECONDS = 0.2
"""How often it looks until there are nodes."""

PATIENCE_SECONDS = 10.0
"""How long a step waits for all the nodes that it wants, once there is one; and how long it goes on
while all workers are refused."""

JOIN_SECONDS = 600.0
"""How long a worker may take to become a node. It may have to download the step's code."""

HINT = "\n    hint: install the driver's version of prefect-parallel in the worker's Python"


class SharedCluster(NodeGroup):
    """Some workers of a cluster that others may use, too; all other workers are left alone.

    Each node has a `NodeLease`. When one is lost, another worker takes its place if there is one.
    """

    def __init__(self, client: Client, request: NodeRequest) -> None:
        self.client = client
        self._request = request
        self._lease_key = f"prefect-parallel-{uuid4().hex}"
        self._plugins: dict[str, StepPlugin] = {}
        self.memberships: dict[str, int] = {}
        self._joins = 0
        self._refused: dict[str, str] = {}
        # Since when all workers are refused, by time.monotonic(); None: they are not.
        self._refused_since: float | None = None
        # Held while nodes or plugins change.
        self._lock = threading.RLock()
        # Held while workers join, which may take long.
        self._joining = threading.Lock()
        self._closed = threading.Event()
        self._looking: threading.Thread | None = None
        self._looked = threading.Event()
        self._problem: Exception | None = None
        self._pause = FIRST_LOOK_SECONDS

    def submit(self, function: Callable[..., Any], *args: Any, **arguments: Any) -> Future[Any]:
        key = self._lease_key
        return self.client.submit(
            run_in_slot, key, function, *args, resources={key: 1}, **arguments
        )

    def assemble(self, limit: float, canceled: threading.Event) -> str | None:
        started = time.monotonic()
        wanted = self._request.nodes
        assert self.client.loop is not None
        self.client.loop.add_callback(self._renew_leases)
        # In a thread: a worker that does not answer must not delay a cancellation.
        self._looking = threading.Thread(target=self._look_again, daemon=True)
        self._looking.start()
        while not canceled.is_set():
            self._looked.wait(FIRST_LOOK_SECONDS)
            self._looked.clear()
            if self._problem is not None:
                raise self._problem
            waited, found = time.monotonic() - started, len(self.memberships)
            if found == wanted or (found > 0 and waited > PATIENCE_SECONDS):
                break
            if waited > limit:
                raise NoNode(
                    f"no Dask worker came within first_task_creation_timeout: {limit:g} s",
                    hint="check that the workers of the compute's cluster are running",
                )
        self._pause = LOOK_SECONDS
        if len(self.memberships) == wanted:
            return None
        return (
            f"the step uses {len(self.memberships)} of {wanted} nodes, as the cluster has no more"
            " workers; it will use workers that join later"
        )

    def check(self) -> None:
        """Workers may always come, but those that are there must be of use.

        Raises:
            NodesGone: For `PATIENCE_SECONDS`, all workers have been refused.
        """
        since = self._refused_since
        if since is not None and time.monotonic() - since > PATIENCE_SECONDS:
            raise NodesGone("\n".join(self._refused.values()))

    def leave_out(self, address: str) -> bool:
        self._refuse(address, NodeRefused("it was left out"))
        self._ask([address], remove_plugin, ANSWER_SECONDS, name=self._lease_key)
        with suppress(NodeRefused, OSError):
            self._look()
        return bool(self.memberships)

    def register(self, plugin: StepPlugin) -> None:
        with self._lock:
            self._plugins[plugin.name] = plugin
            nodes = list(self.memberships)
        # A worker that joins meanwhile gets it when it has joined.
        for address, answer in self._add([plugin], nodes).items():
            if isinstance(answer, Exception):
                self._refuse(address, answer)
                self._ask([address], remove_plugin, ANSWER_SECONDS, name=self._lease_key)
        self._check_refused()

    def unregister(self, name: str) -> None:
        # With a worker that joins meanwhile, it ends when the lease does.
        with self._lock:
            self._plugins.pop(name, None)
        self.run(remove_plugin, name=name)

    def run(
        self, function: Callable[..., Any], seconds: float = ANSWER_SECONDS, **arguments: Any
    ) -> list[Any]:
        answers = self._ask(list(self.memberships), function, seconds, **arguments)
        lost = {address for address, answer in answers.items() if isinstance(answer, OSError)}
        for address in lost:
            self._refuse(address, answers[address])
        return [answer for address, answer in answers.items() if address not in lost]

    def close(self) -> None:
        self._closed.set()
        if self._looking is not None:
            # The lease of a worker that joins later than that expires.
            self._looking.join(ANSWER_SECONDS)
        self.run(remove_plugin, name=self._lease_key)
        self.memberships = {}

    async def _renew_leases(self) -> None:
        """Runs in the client's event loop, so that nothing that the driver does delays it."""
        rounds: set[asyncio.Task[None]] = set()
        while not self._closed.is_set():
            # A worker that does not answer must not delay the next renewal of the others.
            task = asyncio.create_task(self._renew(list(self.memberships)))
            rounds.add(task)
            task.add_done_callback(rounds.discard)
            await asyncio.sleep(RENEWAL_SECONDS)

    async def _renew(self, addresses: list[str]) -> None:
        if addresses and self.client.status == CONNECTED:
            with suppress(OSError):
                await self.client.run(
                    renew_lease,
                    workers=addresses,
                    on_error="return",
                    name=self._lease_key,
                    asynchronous=True,
                    callback_timeout=ANSWER_SECONDS,
                )

    def _look_again(self) -> None:
        while not self._closed.is_set():
            problem: Exception | None = None
            try:
                self._look()
                self._refused_since = None
            except NodeRefused as error:
                self._refused_since = self._refused_since or time.monotonic()
                problem = error
            except OSError as error:
                problem = error  # Once there were nodes, the next look may succeed.
            self._problem = problem
            self._looked.set()
            self._closed.wait(self._pause)

    def _look(self) -> None:
        """Forget the nodes that are gone, and let other workers take their places.

        Raises:
            NodeRefused: There are workers, but none of them can be a node.
            OSError: The scheduler does not answer.
        """
        if not self._joining.acquire(timeout=ANSWER_SECONDS):
            return  # Another thread waits for a worker that does not answer.
        try:
            with self._lock:
                workers = self._workers()
                # A worker whose lease has expired offers no slots.
                self.memberships = {
                    address: number
                    for address, number in self.memberships.items()
                    if workers.get(address, {}).get("resources", {}).get(self._lease_key)
                }
                candidates = self._candidates(workers)
            for address in candidates:
                if len(self.memberships) == self._request.nodes:
                    return
                self._join(address, workers[address]["nthreads"])
            self._check_refused()
        finally:
            self._joining.release()

    def _workers(self) -> dict[str, dict[str, Any]]:
        """All workers of the cluster, by address."""
        scheduler = self.client.scheduler
        if self.client.status != CONNECTED or scheduler is None:
            raise ConnectionError("the scheduler is gone")
        # `scheduler_info` may return the answer to another thread, with fewer workers.
        identity = self.client.sync(scheduler.identity, n_workers=-1)
        workers: dict[str, dict[str, Any]] = identity["workers"]
        return workers

    def _candidates(self, workers: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Workers that could be nodes: those on machines without a node first, then idle ones."""
        hosts = Counter(workers[address]["host"] for address in self.memberships)
        free = [
            address
            for address, worker in workers.items()
            if worker["status"] == "running"
            and address not in self.memberships
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

    def _join(self, address: str, threads: int) -> None:
        with self._lock:
            given = dict(self._plugins)
        lease = NodeLease(self._lease_key, self._request, threads, list(given.values()))
        answer = self._ask([address], _join, JOIN_SECONDS, lease=lease)[address]
        while not isinstance(answer, Exception):
            with self._lock:
                more = [plugin for name, plugin in self._plugins.items() if name not in given]
                if not more:
                    self._joins += 1
                    self.memberships = {**self.memberships, address: self._joins}
                    return
            given.update((plugin.name, plugin) for plugin in more)
            answer = self._add(more, [address])[address]
        self._refuse(address, answer)

    def _refuse(self, address: str, error: Exception) -> None:
        """Do not try a worker again, unless the error is that it was lost."""
        with self._lock:
            self.memberships = {each: n for each, n in self.memberships.items() if each != address}
        if not isinstance(error, OSError):
            hint = "" if isinstance(error, PrefectParallelError) else HINT
            self._refused[address] = f"the Dask worker {address} cannot be a node: {error}{hint}"

    def _check_refused(self) -> None:
        """Raise NodeRefused if there were workers, and none of them can be a node."""
        if not self.memberships and self._refused:
            raise NodeRefused("\n".join(self._refused.values()))

    def _add(self, plugins: Sequence[StepPlugin], addresses: Sequence[str]) -> dict[str, Any]:
        key = self._lease_key
        return self._ask(addresses, _add, JOIN_SECONDS, lease_key=key, plugins=plugins)

    def _ask(
        self,
        addresses: Sequence[str],
        function: Callable[..., Any],
        seconds: float,
        **arguments: Any,
    ) -> dict[str, Any]:
        """Run a function on workers; the answer is an OSError if one is lost, or too slow."""
        if not addresses:
            return {}
        if self.client.status != CONNECTED:
            return dict.fromkeys(addresses, ConnectionError("the scheduler is gone"))

        async def answer(address: str) -> Any:
            try:
                answers = await self.client.run(
                    function,
                    workers=[address],
                    on_error="return",
                    asynchronous=True,
                    callback_timeout=seconds,
                    **arguments,
                )
            except OSError as error:
                return ConnectionError(f"no answer: {error}")
            return answers[address]

        async def ask() -> list[Any]:
            return await asyncio.gather(*map(answer, addresses))

        return dict(zip(addresses, self.client.sync(ask), strict=True))


# `Client.run` gives a function the worker that it runs on, as `dask_worker`.


async def _join(dask_worker: Worker, lease: NodeLease) -> None:
    try:
        await dask_worker.plugin_add(lease, catch_errors=False)
    except BaseException:
        await dask_worker.plugin_remove(lease.name)
        raise


async def _add(dask_worker: Worker, lease_key: str, plugins: Sequence[StepPlugin]) -> None:
    if lease_key in dask_worker.plugins:
        for plugin in plugins:
            await lease_of(dask_worker.plugins, lease_key).add(plugin)
