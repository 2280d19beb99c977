"""The flow run of a pipeline on the Prefect server, whose answers a run does not depend on."""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType
from prefect.context import FlowRunContext, SettingsContext
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES
from prefect.states import Crashed, Running
from prefect.utilities.asyncutils import run_coro_as_sync

from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.server.settings import with_settings

NO_ANSWER = (httpx.HTTPError, PrefectHTTPStatusError)
"""What Prefect's client raises if the server cannot be reached, or answers with an error."""

POLL_SECONDS = 1.0


def answers() -> bool:
    """Whether the Prefect server answers now."""
    with asking_once(), get_client(sync_client=True) as client:
        return client.api_healthcheck() is None


def asking_once() -> SettingsContext:
    """Do not retry requests. By default Prefect retries for a minute if a server is unreachable."""
    return with_settings("client", max_retries=0)


def ask_once_if_away(observer: Observer, patience: float) -> None:
    """Wait for the server of the current flow run; if it stays away, retry no request any more.

    Otherwise each request that ends a flow run, of which there are several, would be retried for a
    minute.

    Args:
        observer: Is told of the wait.
        patience: Seconds to wait, but no longer than a request would be retried.
    """
    context = FlowRunContext.get()
    assert context is not None
    assert isinstance(context.client, SyncPrefectClient)
    retried = 2.0 ** (PREFECT_CLIENT_MAX_RETRIES.value() + 1) - 2
    patience = min(patience, retried)
    until = time.monotonic() + patience
    with asking_once():
        if context.client.api_healthcheck() is None:
            return
        if patience > 0:
            observer.waiting(f"the Prefect server to take the result, up to {patience:g} s")
        while time.monotonic() < until:
            time.sleep(POLL_SECONDS)
            if context.client.api_healthcheck() is None:
                return
    # Never left: what follows in this context is Prefect's end of the flow run.
    asking_once().__enter__()


def is_supervised(flow_run: UUID) -> bool:
    """Whether a worker, `serve()` or `prefect flow-run execute` has started this process for it."""
    return os.environ.get("PREFECT__FLOW_RUN_ID") == str(flow_run)


HALTED = [StateType.CANCELLING, StateType.CANCELLED, StateType.PAUSED]


def halted(flow_runs: Sequence[UUID]) -> dict[UUID, State] | None:
    """Those of some flow runs that somebody has canceled, suspended or paused.

    Prefect notifies only its workers.

    Returns:
        Their states; None if the server does not answer.
    """
    wanted = FlowRunFilter(
        id=FlowRunFilterId(any_=list(flow_runs)),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=HALTED)),
    )
    try:
        with asking_once(), get_client(sync_client=True) as client:
            found = client.read_flow_runs(flow_run_filter=wanted)
    except NO_ANSWER:
        return None
    return {each.id: each.state for each in found if each.state is not None}


def go_on(flow_run: UUID) -> None:
    """Set a flow run that was paused to Running."""
    with suppress(*NO_ANSWER), asking_once(), get_client(sync_client=True) as client:
        client.set_flow_run_state(flow_run, Running(), force=True)


def run_cancellation_hooks(state: State[None]) -> None:
    """Call the hooks of the current flow run's cancellation: Prefect only calls those of others.

    It does when it was canceled by a worker, and not when the flow returns a state.
    """
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow is not None
    assert context.flow_run is not None
    for hook in context.flow.on_cancellation_hooks or []:
        try:
            called = hook(context.flow, context.flow_run, state)
            if inspect.iscoroutine(called):
                run_coro_as_sync(called)
        except Exception:
            # As for Prefect's own calls: a hook is anybody's code, and does not change the state.
            get_run_logger().exception("the hook %s failed", getattr(hook, "__name__", hook))


def crash_abandoned(flow_run: UUID) -> None:
    """Set a flow run and its subflows to Crashed that still run though their process is gone."""
    message = "its process was gone when the run was resumed"
    try:
        with get_client(sync_client=True) as client:
            found = level = [client.read_flow_run(flow_run)]
            while level:
                parents = FlowRunFilterParentFlowRunId(any_=[each.id for each in level])
                subflows = FlowRunFilter(parent_flow_run_id=parents)
                level = client.read_flow_runs(flow_run_filter=subflows)
                found = found + level
            for each in found:
                if each.state is not None and not each.state.is_final():
                    client.set_flow_run_state(each.id, Crashed(message=message), force=True)
    except (ObjectNotFound, *NO_ANSWER):
        return  # Another server's, or deleted.


def tag_flow_run(flow_run: UUID, tags: Sequence[str]) -> None:
    """Add tags to a flow run."""
    if not tags:
        return
    try:
        with get_client(sync_client=True) as client:
            present = client.read_flow_run(flow_run).tags
            client.update_flow_run(flow_run, tags=sorted({*present, *tags}))
    except NO_ANSWER:
        return
