"""Nodes on a Dask cluster that is there for one step."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from distributed import Client, Future

from prefect_parallel.flow.nodes.node_group import NodeGroup, NodePart, NoNode


class DedicatedCluster(NodeGroup):
    """All workers of a cluster that is there for one step, each with a thread for each slot."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def submit(self, function: Callable[..., Any], *args: Any, **arguments: Any) -> Future[Any]:
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
