"""A flow without a function of the user, which Prefect loads from the file it is assigned in."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from prefect.context import FlowRunContext
from prefect.flows import Flow
from prefect.logging import get_logger

from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.server.heartbeats import own_heartbeats
from prefect_parallel.flow.server.server import prefect_server

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment


Result = TypeVar("Result")


class NotAtTopLevel(PrefectParallelError):
    """A flow cannot be deployed because it is not assigned at the top level of a file."""


class DeployableFlow(Flow[..., Result]):
    """A flow that is compiled from a pipeline, or made of a parallel function.

    Prefect loads a deployed flow by the file and the name of its function. The function of this
    flow is in this package; the user's file, and the name that the flow has there, are known only
    after the file has been run.
    """

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Run the flow, with a server of its own if none is configured.

        Raises:
            ServerFailed: No server is configured, and none could be started.
        """
        if FlowRunContext.get() is not None:
            # A subflow runs on the server of its parent.
            return super().__call__(*args, **options)
        with prefect_server(_Logged()), own_heartbeats():
            return super().__call__(*args, **options)

    def to_deployment(
        self, *args: Any, **options: Any
    ) -> RunnerDeployment | Coroutine[Any, Any, RunnerDeployment]:
        """Like `Flow.to_deployment`; to be awaited if an event loop runs.

        Raises:
            NotAtTopLevel: No module has the flow as a top-level name.
        """
        self._take_name()
        return super().to_deployment(*args, **options)

    async def ato_deployment(self, *args: Any, **options: Any) -> RunnerDeployment:
        """The asynchronous `to_deployment`, which `serve` and `deploy` call."""
        self._take_name()
        return await super().ato_deployment(*args, **options)

    def _take_name(self) -> None:
        for module in list(sys.modules.values()):
            for name, value in list(getattr(module, "__dict__", {}).items()):
                if value is self and getattr(module, "__file__", None):
                    self.__module__ = module.__name__
                    self.fn.__qualname__ = name
                    return
        raise NotAtTopLevel(
            f"the flow {self.name!r} cannot be deployed: workers load flows by file and name",
            hint="assign it at the top level of a file: `nightly = ...`",
        )


class _Logged(Observer):
    def waiting(self, what: str) -> None:
        get_logger("prefect_parallel").info("waiting for %s", what)
