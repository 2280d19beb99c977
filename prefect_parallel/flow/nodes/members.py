"""The workers of a Dask cluster that are the nodes of a step, and what they are given."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from distributed import Client, Future, WorkerPlugin

from prefect_parallel.errors import PrefectParallelError

CONNECTED = "running"
"""The status of a Dask client that has a scheduler."""

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
        # Of tasks that are there before the first worker runs, Dask starts any first.
        try:
            self._client.wait_for_workers(1, timeout=limit)
        # Before Python 3.11 these are two, and a cluster of Dask 2024.12 raises the first.
        except (TimeoutError, asyncio.TimeoutError):
            raise NoNode(f"no node started within {limit:g} s") from None
        return None

    def register(self, plugin: NodePart) -> None:
        self._client.register_plugin(plugin)

    def unregister(self, name: str) -> None:
        self._client.unregister_worker_plugin(name)

    def run(self, function: Callable[..., Any], **arguments: Any) -> None:
        self._client.run(function, **arguments)

    def close(self) -> None:
        """They end with the cluster."""
