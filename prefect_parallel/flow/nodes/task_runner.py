"""A Prefect task runner for nodes, on which a task run costs little.

prefect-dask's runner serializes all of Prefect's settings for each task run and parses them again
on the worker: about 190 ms a task run on two slow cores. This one does both once. Workers get the
task and the context as a plugin, and its task runs are run in copies of that context.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import ExitStack
from copy import copy
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, cast
from uuid import UUID, uuid4

from distributed import Reschedule, Worker, get_worker
from distributed.protocol.pickle import dumps, loads
from prefect.client.schemas.objects import State
from prefect.context import SettingsContext, SyncClientContext, hydrated_context
from prefect.flows import Flow
from prefect.task_engine import run_task_sync
from prefect.task_runners import TaskRunner
from prefect.tasks import Task
from prefect_dask.task_runners import PrefectDaskFuture

from prefect_parallel.flow.nodes.node_group import NodeGroup, StepPlugin
from prefect_parallel.flow.nodes.prefect_compat import check_prefect, serialized_context
from prefect_parallel.flow.server.delivery import deliver_events_and_logs

check_prefect()


class NodeTaskRunner(TaskRunner[PrefectDaskFuture[Any]]):
    """Runs task runs on the nodes of a step.

    The tasks must be synchronous, and their parameters plain values: futures are not resolved.
    """

    def __init__(self, open_group: Callable[[ExitStack], NodeGroup]) -> None:
        """Make a runner. `open_group` returns the nodes on first use; the stack ends them."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.open_group = open_group
        self._stack = ExitStack()
        self._node_group: NodeGroup | None = None
        self._shared: dict[Task[..., Any], SharedTask] = {}

    def duplicate(self) -> NodeTaskRunner:
        """A runner with the same settings."""
        return NodeTaskRunner(self.open_group)

    @property
    def node_group(self) -> NodeGroup:
        """The nodes; on first use it starts the cluster, or connects to it."""
        if self._node_group is None:
            self._node_group = self.open_group(self._stack)
        return self._node_group

    def submit(
        self, task: Task[..., Any], parameters: dict[str, Any], *_: Any, **__: Any
    ) -> PrefectDaskFuture[Any]:
        """Submit a task run; whatever else Prefect gives a task runner is about dependencies."""
        if task not in self._shared:
            self._shared[task] = SharedTask(task)
            self.node_group.register(self._shared[task])
        task_run_id = uuid4()
        future = self.node_group.submit(
            run_shared_task,
            self._shared[task].name,
            task_run_id,
            parameters,
            key=f"{task.name}-{task_run_id}",
            pure=False,
            # In the order of submission; Dask shuffles tasks of the same tenth of a second.
            fifo_timeout="0s",
        )
        return PrefectDaskFuture(wrapped_future=future, task_run_id=task_run_id)

    def __exit__(self, *args: Any) -> None:
        if self._node_group is not None:
            for shared in self._shared.values():
                self._node_group.unregister(shared.name)
            self._node_group.close()
            self._node_group = None
        self._shared.clear()
        self._stack.close()
        super().__exit__(*args)


class SharedTask(StepPlugin):
    """A task and its Prefect context, on each node."""

    def __init__(self, task: Task[..., Any]) -> None:
        self.name = f"shared-{uuid4().hex}"
        self._pickled = dumps((task, _portable_context()))

    def setup(self, worker: Worker) -> None:
        """Called by the worker, in its event loop, so nothing is loaded here."""
        self._idle: SimpleQueue[_TaskContext] = SimpleQueue()
        self._is_closed = False
        self._lock = threading.Lock()
        self._loaded: tuple[Task[..., Any], dict[str, Any], SettingsContext] | None = None

    def run(self, task_run_id: UUID, parameters: dict[str, Any]) -> State[Any]:
        """Run a task run; gives its final state."""
        try:
            context = self._idle.get_nowait()
        except Empty:
            context = _TaskContext(*self._load())
        try:
            return context.run(task_run_id, parameters)
        finally:
            self._idle.put(context)
            if self._is_closed:
                self._leave_idle()

    async def teardown(self, worker: Worker) -> None:
        """Called by the worker when the step is over, and its result is known."""
        self._is_closed = True
        self._leave_idle()
        await asyncio.to_thread(deliver_events_and_logs)

    def _load(self) -> tuple[Task[..., Any], dict[str, Any], SettingsContext]:
        """The task, its context without the settings, and these, which take long to parse."""
        with self._lock:
            if self._loaded is None:
                task, context = loads(self._pickled)
                settings = SettingsContext(**context.pop("settings_context"))
                self._loaded = task, context, settings
            return self._loaded

    def _leave_idle(self) -> None:
        while not self._idle.empty():
            try:
                self._idle.get_nowait().leave()
            except Empty:
                return


class _TaskContext:
    """A Prefect context that has been entered, for one task run at a time, in any thread."""

    def __init__(
        self, task: Task[..., Any], context: dict[str, Any], settings: SettingsContext
    ) -> None:
        self._task = task
        self._variables = contextvars.copy_context()
        self._stack = ExitStack()
        self._variables.run(self._enter, context, settings)

    def run(self, task_run_id: UUID, parameters: dict[str, Any]) -> State[Any]:
        # A copy, because a task run decides how long its own retries wait.
        run = partial(run_task_sync, copy(self._task), task_run_id, parameters=parameters)
        return cast("State[Any]", self._variables.copy().run(run, return_type="state"))

    def leave(self) -> None:
        # A context must be left where it was entered, or Python refuses.
        self._variables.run(self._stack.close)

    def _enter(self, context: dict[str, Any], settings: SettingsContext) -> None:
        self._stack.enter_context(settings.model_copy())
        client = self._stack.enter_context(SyncClientContext.get_or_create()).client
        self._stack.enter_context(hydrated_context(context, client))


def run_shared_task(name: str, task_run_id: UUID, parameters: dict[str, Any]) -> State[Any]:
    """Run a task run on a node; gives its final state.

    Raises:
        Reschedule: The node was closed meanwhile; Dask runs it on another one.
    """
    plugins = get_worker().plugins
    if name not in plugins:
        raise Reschedule
    state = cast(SharedTask, plugins[name]).run(task_run_id, parameters)
    if state.is_cancelled():
        raise Reschedule
    return state


def _portable_context() -> dict[str, Any]:
    """The serialized context, whose flow has no function.

    The flow run is driven here, and what its function closes over need not be picklable.
    """
    context = serialized_context()
    flow: Flow[..., Any] = context["flow_run_context"]["flow"]
    context["flow_run_context"]["flow"] = Flow(
        _driven_elsewhere,
        name=flow.name,
        version=flow.version,
        persist_result=flow.persist_result,
        log_prints=flow.log_prints,
    )
    return context


def _driven_elsewhere() -> None:
    raise RuntimeError("this copy of the flow is there for its task runs only")
