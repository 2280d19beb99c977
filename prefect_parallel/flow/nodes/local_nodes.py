"""A Dask cluster on this machine; its workers, the nodes, are started by the fork server."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from uuid import uuid4

from distributed import Scheduler
from distributed.deploy.spec import ProcessInterface, SpecCluster

from prefect_parallel.flow.fork_server import ForkServer
from prefect_parallel.flow.nodes.node_group import NodesGone
from prefect_parallel.flow.nodes.node_process import quieten_dask, run_node


class LocalNodes(SpecCluster):
    """Like `distributed.LocalCluster`, but quicker to start and to end."""

    def __init__(self, nodes: int, slots: int, **options: Any) -> None:
        """Start some nodes, each with as many slots; further options are those of `SpecCluster`."""
        quieten_dask()
        self._fork_server = ForkServer.get()
        node = {"cls": _Node, "options": {"server": self._fork_server, "slots": slots}}
        super().__init__(
            workers=dict.fromkeys(range(nodes), node),
            worker=node,
            scheduler={
                "cls": Scheduler,
                # Importing the dashboard takes half a second, and nobody looks at it. What is still
                # served gets any free port: several clusters may run at a time.
                "options": {"host": "127.0.0.1", "dashboard": False, "dashboard_address": ":0"},
            },
            **options,
        )

    def check(self) -> None:
        """Check that nodes can still run.

        Raises:
            NodesGone: The fork server was killed, and all nodes with it.
        """
        if not self._fork_server.is_alive():
            raise NodesGone(
                "the process that nodes are forked from was killed, and all nodes with it",
                hint="find out what killed it, e.g. a lack of memory, then resume the run",
            )

    def leave_out(self, address: str) -> bool:
        """End a node for good, unless it is the last one.

        Args:
            address: Of its Dask worker.

        Returns:
            Whether there is another node.
        """
        assert self.scheduler is not None
        worker = self.scheduler.workers.get(address)
        if worker is None:
            return True  # It was killed, and is started again.
        if len(self.worker_spec) == 1:
            return False
        self.sync(self._end, worker.name)
        return True

    async def _end(self, name: object) -> None:
        assert self.scheduler is not None
        # Retired first: Dask counts the loss of a worker against the tasks that it had.
        await self.scheduler.retire_workers(names=[name])
        await self.scale_down([name])


class _Node(ProcessInterface):
    def __init__(self, scheduler: str, *, name: object, server: ForkServer, slots: int) -> None:
        super().__init__(scheduler=scheduler, name=name)
        self._scheduler = scheduler
        self._name = name
        self._server = server
        self._slots = slots
        self._id = uuid4().hex

    async def start(self) -> None:
        await asyncio.to_thread(
            self._server.start,
            self._id,
            run_node,
            {"scheduler": self._scheduler, "name": self._name, "slots": self._slots},
            restarts=True,
        )
        await super().start()

    async def close(self) -> None:
        # With the fork server, its nodes are gone.
        with suppress(OSError):
            await asyncio.to_thread(self._server.stop, self._id)
        await super().close()
