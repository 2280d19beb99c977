"""Which workers of a Dask cluster are the nodes of a step, and what they are given."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias
from uuid import uuid4

import dask
from distributed import Client, Future, Worker, WorkerPlugin, get_worker
from distributed.threadpoolexecutor import ThreadPoolExecutor
from distributed.worker import thread_state  # type: ignore[attr-defined]
from distributed.worker_state_machine import SecedeEvent

from prefect_parallel.entry.gpus import default_slots
from prefect_parallel.errors import PrefectParallelError

LOOK_SECONDS = 1.0
"""How often is looked for workers that came or went."""

PATIENCE_SECONDS = 10.0
"""How long a step waits for all the nodes that it wants, once there is one."""

HINT = "\n    hint: install prefect-parallel in the worker's Python, in the driver's version"

CONNECTED = "running"
"""The status of a Dask client that has a scheduler."""

FIRST_LOOK_SECONDS = 0.2
"""How often is looked meanwhile."""


Task: TypeAlias = "Future[Any]"
"""A task that was submitted."""


class NodeRefused(PrefectParallelError):
    """No worker can be a node of this step."""


class NoNode(PrefectParallelError):
    """No worker came in time."""


class NodePart(WorkerPlugin):
    """Something that each node of a step has.

    Attributes:
        name: Tells it apart from all others that a worker may have.
    """

    name: str


class Members(Protocol):
    """The nodes of a step, as their driver reaches them."""

    def submit(self, function: Callable[..., Any], *args: Any, **arguments: Any) -> Task:
        """Submit a task that runs on one of them; arguments as for Dask's `Client.submit`."""

    def assemble(self, limit: float, canceled: threading.Event) -> str | None:
        """Wait until nodes are there: a short while for all that are wanted, longer for the first.

        Args:
            limit: Seconds in which the first must come.
            canceled: Ends the waiting.

        Returns:
            What to tell if they are fewer than wanted.

        Raises:
            NoNode: None came.
            NodeRefused: None of those that came can be one.
        """

    def register(self, plugin: NodePart) -> None:
        """Give a plugin to each node, those that come later included.

        Raises:
            NodeRefused: None of them can take it.
        """

    def unregister(self, name: str) -> None:
        """Take a plugin away."""

    def run(self, function: Callable[..., Any], **arguments: Any) -> None:
        """Run a function on each node."""

    def close(self) -> None:
        """Leave all nodes as they were."""


class AllWorkers(Members):
    """All workers of a cluster that is there for one step, each with a thread for each slot."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def submit(self, function: Callable[..., Any], *args: Any, **arguments: Any) -> Task:
        return Client.submit(self._client, function, *args, **arguments)

    def assemble(self, limit: float, canceled: threading.Event) -> str | None:
        return None

    def register(self, plugin: NodePart) -> None:
        self._client.register_plugin(plugin)

    def unregister(self, name: str) -> None:
        self._client.unregister_worker_plugin(name)

    def run(self, function: Callable[..., Any], **arguments: Any) -> None:
        self._client.run(function, **arguments)

    def close(self) -> None:
        """They end with the cluster."""


@dataclass(frozen=True)
class Wanted:
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


class ChosenWorkers(Members):
    """Some workers of a cluster that others may use, too; those are left alone.

    A node offers its slots as a Dask resource that only this step's tasks ask for, and has a thread
    for each, whatever the number of the worker's own threads. When one is lost, another worker
    takes its place, if there is one.
    """

    def __init__(self, client: Client, wanted: Wanted) -> None:
        self._client = client
        self._wanted = wanted
        self._key = f"prefect-parallel-{uuid4().hex}"
        self._plugins: dict[str, NodePart] = {}
        self._nodes: dict[str, Joined] = {}
        self._refused: dict[str, str] = {}
        # Held while nodes and plugins are brought together.
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._looking: threading.Thread | None = None

    def submit(self, function: Callable[..., Any], *args: Any, **arguments: Any) -> Task:
        with dask.annotate(executor=self._key):  # type: ignore[attr-defined]
            resources = {self._key: 1}
            return Client.submit(self._client, function, *args, resources=resources, **arguments)

    def assemble(self, limit: float, canceled: threading.Event) -> str | None:
        started = time.monotonic()
        wanted = self._wanted.nodes
        while not canceled.is_set():
            self._look()
            waited, found = time.monotonic() - started, len(self._nodes)
            if found == wanted or (found > 0 and waited > PATIENCE_SECONDS):
                break
            if waited > limit:
                raise NoNode(
                    "no Dask worker was there within"
                    f" first_task_creation_timeout: {limit:g} s\n"
                    "    hint: look whether the workers of the compute's cluster run"
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
                if len(self._nodes) == self._wanted.nodes:
                    return
                self._join(address)
            self._refuse_none()

    def register(self, plugin: NodePart) -> None:
        with self._lock:
            self._plugins[plugin.name] = plugin
            answers = self._ask(list(self._nodes), _add, plugins=[plugin])
            for address, answer in answers.items():
                if isinstance(answer, Exception):
                    self._refuse(address, answer)
                    self._ask([address], _leave, resource=self._key, names=list(self._plugins))
            self._refuse_none()

    def unregister(self, name: str) -> None:
        with self._lock:
            self._plugins.pop(name, None)
            self._ask(list(self._nodes), _remove, names=[name])

    def run(self, function: Callable[..., Any], **arguments: Any) -> None:
        self._ask(list(self._nodes), function, **arguments)

    def close(self) -> None:
        self._closed.set()
        if self._looking is not None:
            self._looking.join()
        self._ask(list(self._nodes), _leave, resource=self._key, names=list(self._plugins))
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
        answer = self._ask(
            [address],
            _join,
            resource=self._key,
            wanted=self._wanted,
            plugins=list(self._plugins.values()),
        ).get(address)
        if isinstance(answer, Joined):
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


@dataclass(frozen=True)
class Joined:
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


async def _join(
    dask_worker: Worker, resource: str, wanted: Wanted, plugins: list[NodePart]
) -> Joined:
    try:
        await _add(dask_worker, plugins)
    except BaseException:
        await _remove(dask_worker, [plugin.name for plugin in plugins])
        raise
    slots = wanted.slots_of(dask_worker)
    dask_worker.executors[resource] = SlotThreadPoolExecutor(slots, dask_worker)
    await dask_worker.set_resources(**{resource: slots})
    return Joined(str(dask_worker.name), dask_worker.ip, slots)


async def _add(dask_worker: Worker, plugins: list[NodePart]) -> None:
    for plugin in plugins:
        await dask_worker.plugin_add(plugin, catch_errors=False)


async def _remove(dask_worker: Worker, names: list[str]) -> None:
    for name in names:
        if name in dask_worker.plugins:
            await dask_worker.plugin_remove(name)


async def _leave(dask_worker: Worker, resource: str, names: list[str]) -> None:
    await _remove(dask_worker, names)
    await dask_worker.set_resources(**{resource: 0})
    # No more of it is told to schedulers; this one has it as 0 until the worker ends.
    del dask_worker.state.total_resources[resource]
    del dask_worker.state.available_resources[resource]
    dask_worker.executors.pop(resource).shutdown(wait=False)
