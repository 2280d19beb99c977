"""A `DaskTaskRunner` for nodes with slots, on which a mapped task costs little.

The stock runner serialises all of Prefect's settings for each submit and parses them again for each
task run: about 190 ms a task run on two slow cores. This one does both once: it sends out the task
and the context, and each of a worker's threads enters that context once and runs its task runs in
copies of it.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import distributed
from distributed.protocol.pickle import dumps, loads
from prefect.client.schemas.objects import RunInput
from prefect.context import SyncClientContext, hydrated_context, serialize_context
from prefect.flows import Flow
from prefect.task_engine import run_task_async, run_task_sync
from prefect.tasks import Task
from prefect_dask.task_runners import DaskTaskRunner, PrefectDaskFuture


class NodeTaskRunner(DaskTaskRunner):
    """Runs tasks on nodes, each a Dask worker with as many threads as it has slots.

    Example:
        ```python
        @flow(task_runner=NodeTaskRunner.local(nodes=2, slots=4))
        def score():
            score_file.map(files)
        ```
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._shared: dict[int, distributed.Future[_Shared]] = {}

    @classmethod
    def local(cls, *, nodes: int, slots: int) -> NodeTaskRunner:
        """Nodes on this machine, started with the flow and ended with it."""
        return cls(
            cluster_class="distributed.LocalCluster",
            cluster_kwargs={
                "n_workers": nodes,
                "threads_per_worker": slots,
                "processes": True,
                "dashboard_address": ":0",
            },
        )

    def submit(  # type: ignore[override]
        self,
        task: Task[Any, Any],
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectDaskFuture[Any]] | None = None,
        dependencies: dict[str, set[RunInput]] | None = None,
    ) -> PrefectDaskFuture[Any]:
        """Submit one task run."""
        if not self._started:
            raise RuntimeError("The task runner must be started before submitting work.")
        task_run_id = uuid4()
        future = distributed.Client.submit(
            self.client,
            _run_task,
            self._share(task),
            task_run_id=task_run_id,
            parameters=self._optimize_futures(parameters),
            wait_for=self._optimize_futures(wait_for) if wait_for else None,
            dependencies=dependencies,
            key=f"{task.name}-{task_run_id}",
            pure=False,
        )
        return PrefectDaskFuture(wrapped_future=future, task_run_id=task_run_id)

    def _share(self, task: Task[Any, Any]) -> distributed.Future[_Shared]:
        if id(task) not in self._shared:
            shared = dumps(_Shared(task, _portable_context()))
            # A task, not scattered data: what a lost worker held is made again. On every worker,
            # or else Dask sends the task runs to the one that has it.
            future = distributed.Client.submit(
                self.client, loads, shared, key=f"shared-{task.name}-{uuid4()}", pure=False
            )
            self.client.replicate([future])
            self._shared[id(task)] = future
        return self._shared[id(task)]

    def __exit__(self, *args: Any) -> None:
        self._shared.clear()
        super().__exit__(*args)


@dataclass(frozen=True)
class _Shared:
    """What all submits of a task have in common."""

    task: Task[Any, Any]
    context: dict[str, Any]
    key: UUID = field(default_factory=uuid4)


def _portable_context() -> dict[str, Any]:
    """The context, with a flow that has everything but its function.

    That one drives the flow run, here; what it closes over need not be fit for a journey.
    """
    context = serialize_context()
    flow: Flow[..., Any] = context["flow_run_context"]["flow"]
    context["flow_run_context"]["flow"] = Flow(
        _driven_elsewhere,
        name=flow.name,
        version=flow.version,
        task_runner=flow.task_runner,
        persist_result=flow.persist_result,
        log_prints=flow.log_prints,
    )
    return context


def _driven_elsewhere() -> None:
    raise RuntimeError("this copy of the flow is there for its task runs only")


class _Entered:
    """A Prefect context that a worker's thread has entered, and is left in the same one."""

    def __init__(self, shared: _Shared) -> None:
        self.key = shared.key
        self.variables = contextvars.copy_context()
        self._stack = ExitStack()
        self.variables.run(self._enter, shared.context)
        # Whatever happens to the thread, it must not be left by the garbage collector: that would
        # happen in another context, which Python refuses.
        atexit.register(self.leave)

    def leave(self) -> None:
        atexit.unregister(self.leave)
        self.variables.run(self._stack.close)

    def _enter(self, context: dict[str, Any]) -> None:
        self._stack.enter_context(hydrated_context(context))
        self._stack.enter_context(SyncClientContext.get_or_create())


class _Thread(threading.local):
    """What each of a worker's threads keeps from one task run to the next."""

    entered: _Entered | None = None

    def variables(self, shared: _Shared) -> contextvars.Context:
        if self.entered is None or self.entered.key != shared.key:
            if self.entered is not None:
                self.entered.leave()
            self.entered = _Entered(shared)
        return self.entered.variables.copy()


_thread = _Thread()


def _run_task(shared: _Shared, **arguments: Any) -> Any:
    """Run one task run in the thread's context; gives its final state."""
    return _thread.variables(shared).run(_run, shared.task, arguments)


def _run(task: Task[Any, Any], arguments: dict[str, Any]) -> Any:
    if task.isasync:
        return asyncio.run(run_task_async(task, return_type="state", **arguments))
    return run_task_sync(task, return_type="state", **arguments)
