"""A `DaskTaskRunner` for nodes with slots, on which a mapped task costs little.

The stock runner serialises all of Prefect's settings for each submit and parses them again for each
task run: about 190 ms a task run on two slow cores. This one does both once: it gives the task and
the context to the workers as a plugin, and each of a worker's threads enters that context once and
runs its task runs in copies of it.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any, cast
from uuid import UUID, uuid4

import distributed
from distributed.protocol.pickle import dumps, loads
from prefect.client.schemas.objects import RunInput
from prefect.context import (
    AssetContext,
    EngineContext,
    SettingsContext,
    SyncClientContext,
    TagsContext,
    TaskRunContext,
    hydrated_context,
    serialize_context,
)
from prefect.flows import Flow
from prefect.task_engine import run_task_async, run_task_sync
from prefect.tasks import Task
from prefect.utilities.engine import collect_task_run_inputs_sync
from prefect_dask.task_runners import DaskTaskRunner, PrefectDaskFuture

from prefect_parallel.flow.nodes.dedicated_cluster import DedicatedCluster
from prefect_parallel.flow.nodes.node_group import NodeGroup, NodePart
from prefect_parallel.flow.nodes.node_lease import NodeRequest, begin_in_slot
from prefect_parallel.flow.nodes.prefect_compat import check_prefect
from prefect_parallel.flow.nodes.shared_cluster import SharedCluster

check_prefect()


class NodeTaskRunner(DaskTaskRunner):
    """Runs tasks on nodes, each a Dask worker, with so many slots.

    Args:
        args: As for `DaskTaskRunner`.
        request: How many nodes, where others may use the cluster, too; None: all of its workers are
            nodes, each with as many slots as it has threads.
        kwargs: As for `DaskTaskRunner`.

    Example:
        ```python
        @flow(task_runner=NodeTaskRunner.local(nodes=2, slots=4))
        def score():
            score_file.map(files)
        ```
    """

    def __init__(self, *args: Any, request: NodeRequest | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        self._node_group: NodeGroup | None = None
        # By what they share; with it, so that no other object gets the same id.
        self._shared: dict[tuple[Any, ...], tuple[_Shared, tuple[Any, ...]]] = {}

    @classmethod
    def local(cls, *, nodes: int, slots: int) -> NodeTaskRunner:
        """Nodes on this machine, started with the flow and ended with it."""
        return cls(
            cluster_class="prefect_parallel.flow.nodes.local_nodes.LocalNodes",
            cluster_kwargs={"nodes": nodes, "slots": slots},
        )

    def duplicate(self) -> NodeTaskRunner:
        """A runner with the same settings."""
        copy: NodeTaskRunner = super().duplicate()  # type: ignore[no-untyped-call]
        copy.request = self.request
        return copy

    @property
    def node_group(self) -> NodeGroup:
        """The nodes; on first use it starts the cluster, or connects to it."""
        if self._node_group is None:
            self._node_group = (
                DedicatedCluster(self.client)
                if self.request is None
                else SharedCluster(self.client, self.request)
            )
        return self._node_group

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
        parameters = self._optimize_futures(parameters)
        inputs = _inputs(parameters, dependencies or {})
        future = self.node_group.submit(
            _run_task,
            self._share(task).name,
            _assets(task, task_run_id, inputs),
            task_run_id=task_run_id,
            parameters=parameters,
            wait_for=self._optimize_futures(wait_for) if wait_for else None,
            dependencies=inputs,
            key=f"{task.name}-{task_run_id}",
            pure=False,
            # In the order in which they are submitted; Dask shuffles those of a tenth of a second.
            fifo_timeout="0s",
        )
        return PrefectDaskFuture(wrapped_future=future, task_run_id=task_run_id)

    def _share(self, task: Task[Any, Any]) -> _Shared:
        """What all submits of a task in the same context have in common; the workers have it."""
        tags = TagsContext.get().current_tags
        context = (task, EngineContext.get(), TaskRunContext.get(), SettingsContext.get())
        key = (*map(id, context), frozenset(tags))
        if key not in self._shared:
            shared = _Shared(dumps((task, _portable_context())))
            self.node_group.register(shared)
            self._shared[key] = shared, context
        return self._shared[key][0]

    def __exit__(self, *args: Any) -> None:
        if self._node_group is not None:
            for shared, _ in self._shared.values():
                self._node_group.unregister(shared.name)
            self._node_group.close()
            self._node_group = None
        self._shared.clear()
        super().__exit__(*args)


def _inputs(
    parameters: dict[str, Any], dependencies: dict[str, set[RunInput]]
) -> dict[str, set[RunInput]]:
    """The task runs that this one depends on, by parameter."""
    return {
        name: collect_task_run_inputs_sync(value, future_cls=distributed.Future)
        | dependencies.get(name, set())
        for name, value in parameters.items()
    }


def _assets(
    task: Task[Any, Any], task_run_id: UUID, inputs: dict[str, set[RunInput]]
) -> dict[str, Any] | None:
    """The assets that a task run reads and makes; None for none."""
    context = AssetContext.from_task_and_inputs(task, task_run_id, inputs, copy_to_child_ctx=True)
    used = context.direct_asset_dependencies | context.downstream_assets | context.upstream_assets
    return context.serialize() if used else None


def _portable_context() -> dict[str, Any]:
    """The context, with a flow that has everything but its function.

    That one drives the flow run, here; what it closes over need not be fit for a journey.
    """
    context = serialize_context()
    if context["flow_run_context"]:
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


class _Shared(NodePart):
    """A task and its context, on a worker."""

    def __init__(self, pickled: bytes) -> None:
        self.name = f"shared-{uuid4().hex}"
        self._pickled = pickled
        self._lock: threading.Lock | None = None
        self._loaded: tuple[Task[Any, Any], dict[str, Any], SettingsContext] | None = None

    def setup(self, worker: distributed.Worker) -> None:
        """Called by the worker, in its event loop, so there is no time to load anything."""
        self._lock = threading.Lock()

    def load(self) -> tuple[Task[Any, Any], dict[str, Any], SettingsContext]:
        """The task, the context without its settings, and these: to parse them takes long."""
        assert self._lock is not None, "set up by the worker"
        with self._lock:
            if self._loaded is None:
                task, context = loads(self._pickled)
                settings = SettingsContext(**context.pop("settings_context"))
                self._loaded = task, context, settings
            return self._loaded


class _Entered:
    """A Prefect context that a worker's thread has entered, and is left in the same one."""

    def __init__(self, shared: _Shared) -> None:
        self.name = shared.name
        self.task, context, settings = shared.load()
        self.variables = contextvars.copy_context()
        self._stack = ExitStack()
        self.variables.run(self._enter, context, settings)
        # Whatever happens to the thread, it must not be left by the garbage collector: that would
        # happen in another context, which Python refuses.
        atexit.register(self.leave)

    def leave(self) -> None:
        atexit.unregister(self.leave)
        self.variables.run(self._stack.close)

    def _enter(self, context: dict[str, Any], settings: SettingsContext) -> None:
        self._stack.enter_context(settings.model_copy())
        client = self._stack.enter_context(SyncClientContext.get_or_create()).client
        self._stack.enter_context(hydrated_context(context, client))


class _Thread(threading.local):
    """What each of a worker's threads keeps from one task run to the next."""

    entered: _Entered | None = None

    def enter(self, name: str) -> _Entered:
        if self.entered is None or self.entered.name != name:
            if self.entered is not None:
                self.entered.leave()
            self.entered = _Entered(cast(_Shared, distributed.get_worker().plugins[name]))
        return self.entered


_thread = _Thread()


def _run_task(name: str, assets: dict[str, Any] | None, **arguments: Any) -> Any:
    """Run one task run in the thread's context; gives its final state."""
    begin_in_slot()
    entered = _thread.enter(name)
    return entered.variables.copy().run(_run, entered.task, assets, arguments)


def _run(task: Task[Any, Any], assets: dict[str, Any] | None, arguments: dict[str, Any]) -> Any:
    with ExitStack() as stack:
        if assets:
            stack.enter_context(AssetContext(**assets))
        if task.isasync:
            return asyncio.run(run_task_async(task, return_type="state", **arguments))
        return run_task_sync(task, return_type="state", **arguments)
