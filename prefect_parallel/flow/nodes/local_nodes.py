"""A Dask cluster on this machine, whose workers, the nodes, are forked from the fork server."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from distributed import Scheduler
from distributed.deploy.spec import ProcessInterface, SpecCluster

from prefect_parallel.flow.nodes.fork_server import ForkServer, quieten_dask


class LocalNodes(SpecCluster):
    """Like `distributed.LocalCluster`, and quicker to start and to end."""

    def __init__(self, nodes: int, slots: int, **options: Any) -> None:
        """Start the nodes.

        Args:
            nodes: How many.
            slots: How many tasks each of them runs at a time.
            options: As for `SpecCluster`.
        """
        quieten_dask()
        node = {"cls": _Node, "options": {"slots": slots}}
        super().__init__(
            workers=dict.fromkeys(range(nodes), node),
            worker=node,
            scheduler={
                "cls": Scheduler,
                # Nobody is told of the dashboard, and to import it takes half a second. For what
                # is still served, any free port: several clusters may run at a time.
                "options": {"host": "127.0.0.1", "dashboard": False, "dashboard_address": ":0"},
            },
            **options,
        )


class _Node(ProcessInterface):
    def __init__(self, scheduler: str, *, name: object, slots: int) -> None:
        super().__init__(scheduler=scheduler, name=name)
        self._scheduler = scheduler
        self._name = name
        self._slots = slots
        self._id = uuid4().hex

    async def start(self) -> None:
        server = await asyncio.to_thread(ForkServer.get)
        await asyncio.to_thread(
            server.start, self._id, self._scheduler, name=self._name, slots=self._slots
        )
        await super().start()

    async def close(self) -> None:
        server = await asyncio.to_thread(ForkServer.get)
        await asyncio.to_thread(server.stop, self._id)
        await super().close()
