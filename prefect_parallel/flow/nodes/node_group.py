"""The workers of a Dask cluster that are the nodes of a step, and what they are given."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from distributed import Future, WorkerPlugin

from prefect_parallel.errors import PrefectParallelError

CONNECTED = "running"
"""The status of a Dask client that has a scheduler."""


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


class NodeGroup(Protocol):
    """The nodes of a step, as their driver reaches them."""

    def submit(self, function: Callable[..., Any], *args: Any, **arguments: Any) -> Future[Any]:
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
