"""The flow run of a pipeline on the Prefect server, whose answers a run does not depend on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Crashed

NO_ANSWER = (httpx.HTTPError, PrefectHTTPStatusError)
"""What Prefect's client raises if the server cannot be reached, or answers with an error."""


@contextmanager
def asking_once() -> Iterator[None]:
    """Do not retry requests. By default Prefect retries for a minute if a server is unreachable."""
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
        yield


def is_canceled(flow_run: UUID) -> bool | None:
    """Whether it was canceled in the Prefect UI; None if the server does not answer.

    Prefect notifies only its workers.
    """
    try:
        with asking_once(), get_client(sync_client=True) as client:
            state = client.read_flow_run(flow_run).state
    except NO_ANSWER:
        return None
    return state is not None and (state.is_cancelling() or state.is_cancelled())


def crash_abandoned(flow_run: UUID) -> None:
    """Set a flow run and its subflows to Crashed that still run though their process is gone."""
    subflows = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[flow_run]))
    message = "its process was gone when the run was resumed"
    try:
        with get_client(sync_client=True) as client:
            found = [client.read_flow_run(flow_run)]
            found += client.read_flow_runs(flow_run_filter=subflows)
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
