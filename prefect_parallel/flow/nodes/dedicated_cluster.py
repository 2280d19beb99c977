"""Nodes on a Dask cluster that is there for one step."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from distributed import Client, Future

from prefect_parallel.flow.nodes.node_group import (
    ANSWER_SECONDS,
    NodeGroup,
    NoNode,
    StepPlugin,
    remove_plugin,
)

LOOK_SECONDS = 0.5
"""How often a cancellation is looked for while nodes start."""


class DedicatedCluster(NodeGroup):
    """All workers of a cluster that is there for one step, each with a thread for each slot."""

    def __init__(
        self,
        client: Client,
        check: Callable[[], None] = lambda: None,
        leave_out: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Take the workers of a cluster.

        Args:
            client: Connected to its scheduler.
            check: As `NodeGroup.check`.
            leave_out: As `NodeGroup.leave_out`.
        """
        self.client = client
        # Its workers are nodes from their start to their end.
        self.memberships: dict[str, int] = {}
        self._check = check
        self._leave_out = leave_out

    def submit(self, function: Callable[..., Any], *args: Any, **arguments: Any) -> Future[Any]:
        return self.client.submit(function, *args, **arguments)

    def assemble(self, limit: float, canceled: threading.Event) -> str | None:
        # Dask starts tasks that were submitted before the first worker came in any order.
        until = time.monotonic() + limit
        while not canceled.is_set():
            with suppress(TimeoutError):
                self.client.wait_for_workers(1, timeout=min(limit, LOOK_SECONDS))
                return None
            if time.monotonic() > until:
                raise NoNode(f"no node started within {limit:g} s")
        return None

    def check(self) -> None:
        self._check()

    def leave_out(self, address: str) -> bool:
        return self._leave_out(address)

    def register(self, plugin: StepPlugin) -> None:
        self.client.register_plugin(plugin)

    def unregister(self, name: str) -> None:
        # A node that is started again meanwhile gets it, and ends soon.
        self.run(remove_plugin, name=name)

    def run(
        self, function: Callable[..., Any], seconds: float = ANSWER_SECONDS, **arguments: Any
    ) -> list[Any]:
        with suppress(TimeoutError):
            answers = self.client.run(
                function, on_error="return", callback_timeout=seconds, **arguments
            )
            return list(answers.values())
        return []

    def close(self) -> None:
        """The workers end with the cluster."""
