"""The workers of a Dask cluster that are the nodes of a step, and what they are given."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from distributed import Client, Future, Worker, WorkerPlugin

from prefect_parallel.errors import PrefectParallelError

CONNECTED = "running"
"""The status of a Dask client that has a scheduler."""


ANSWER_SECONDS = 30.0
"""How long the driver waits for the answer of a node, which may hang."""


class NodeRefused(PrefectParallelError):
    """No worker can be a node of this step."""


class NoNode(PrefectParallelError):
    """No worker came in time."""


class NodesGone(PrefectParallelError):
    """A step has no nodes any more, and will get none."""


class StepPlugin(WorkerPlugin):
    """A worker plugin that all nodes of a step have, with a name unique on each worker."""

    name: str


async def remove_plugin(dask_worker: Worker, name: str) -> None:
    """Remove a plugin that a worker may have; run by `Client.run`."""
    if name in dask_worker.plugins:
        await dask_worker.plugin_remove(name)


class NodeGroup(Protocol):
    """The nodes of a step, as their driver reaches them.

    Attributes:
        client: Connected to the scheduler of their cluster.
        memberships: The address of each worker that was made a node, and a number that changes each
            time it joins: Dask does not give a new node the tasks that were waiting for one, and
            does not start those that a worker got before it was a node.
    """

    client: Client
    memberships: Mapping[str, int]

    def submit(self, function: Callable[..., Any], *args: Any, **arguments: Any) -> Future[Any]:
        """Submit a task to run on one of the nodes; arguments as for Dask's `Client.submit`."""

    def assemble(self, limit: float, canceled: threading.Event) -> str | None:
        """Wait for nodes: a short while until there are as many as wanted, longer for the first.

        Args:
            limit: Seconds until the first node must have come.
            canceled: Ends the wait.

        Returns:
            A note for the user if there are fewer nodes than wanted.

        Raises:
            NoNode: No worker came.
            NodeRefused: Workers came, but none of them can be a node.
        """

    def check(self) -> None:
        """Check that nodes can still run something.

        Raises:
            NodesGone: They cannot, and no other will come.
        """

    def leave_out(self, address: str) -> bool:
        """Run nothing on a node any more; the last one may stay.

        Args:
            address: Of its Dask worker.

        Returns:
            Whether there is another node.
        """

    def register(self, plugin: StepPlugin) -> None:
        """Give a plugin to each node, including those that come later.

        Raises:
            NodeRefused: No node can take it.
        """

    def unregister(self, name: str) -> None:
        """Remove a plugin from each node."""

    def run(
        self, function: Callable[..., Any], seconds: float = ANSWER_SECONDS, **arguments: Any
    ) -> list[Any]:
        """Run a function on each node, whether or not it raises; arguments as for `Client.run`.

        A node that does not answer within `seconds` is not waited for.

        Returns:
            What the function returned or raised; nothing for a node that did not answer.
        """

    def close(self) -> None:
        """Stop using the nodes."""
