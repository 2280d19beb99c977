"""The pipeline's flow run, as the Prefect server has it. A run does not depend on its answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

NO_ANSWER = (httpx.HTTPError, PrefectHTTPStatusError)
"""What Prefect's client raises when the server does not answer as it should."""


@contextmanager
def asking_once() -> Iterator[None]:
    """Do not insist: Prefect would try for a minute to reach a server that is away."""
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
        yield


def is_canceled(flow_run: UUID) -> bool | None:
    """Whether somebody has canceled it in the Prefect UI, with no worker there to hear that.

    Returns:
        None if the server does not answer.
    """
    try:
        with asking_once(), get_client(sync_client=True) as client:
            state = client.read_flow_run(flow_run).state
    except NO_ANSWER:
        return None
    return state is not None and (state.is_cancelling() or state.is_cancelled())


def tag_flow_run(flow_run: UUID, tags: Sequence[str]) -> None:
    """Add tags to those that it has."""
    if not tags:
        return
    try:
        with get_client(sync_client=True) as client:
            present = client.read_flow_run(flow_run).tags
            client.update_flow_run(flow_run, tags=sorted({*present, *tags}))
    except NO_ANSWER:
        return
