"""The flow of a pipeline, which Prefect can load again from the file that it is assigned in."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from typing import Any

from prefect.context import FlowRunContext
from prefect.deployments.runner import RunnerDeployment
from prefect.flows import Flow
from prefect.logging import get_logger

from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.server.server import prefect_server


class NotAtTopLevel(PrefectParallelError):
    """A flow cannot be deployed from its file, for no top-level name of one stands for it."""


class PipelineFlow(Flow[..., None]):
    """A flow that was compiled, not decorated.

    Prefect loads a deployed flow by file and name, which it takes from the decorated function. A
    compiled flow's function stands in this package; what counts is the name that the flow has got
    in the user's file, and that is known only once the file has been run.
    """

    def __call__(self, *args: Any, **options: Any) -> Any:
        """As Prefect's, but where no server is configured, with one as `prefect-parallel run` has.

        Raises:
            ServerFailed: None could be started.
        """
        if FlowRunContext.get() is not None:
            # It becomes a subflow, on the server of its parent.
            return super().__call__(*args, **options)
        with prefect_server(_Logged()):
            return super().__call__(*args, **options)

    def to_deployment(
        self, *args: Any, **options: Any
    ) -> RunnerDeployment | Coroutine[Any, Any, RunnerDeployment]:
        """As Prefect's, to be awaited where an event loop runs.

        Raises:
            NotAtTopLevel: No module has the flow under a name of its own.
        """
        self._take_name()
        return super().to_deployment(*args, **options)

    async def ato_deployment(self, *args: Any, **options: Any) -> RunnerDeployment:
        """The same; `serve` and `deploy` come by it."""
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
            f"the flow {self.name!r} cannot be deployed: workers load it from a file, by name",
            hint='assign it at the top level of one, as in `iris = compile_pipeline("job.yml")`',
        )


class _Logged(Observer):
    def waiting(self, what: str) -> None:
        get_logger("prefect_parallel").info("waiting for %s", what)
