"""Whether somebody wants a flow run to end, says so in the Prefect UI, and no worker hears it."""

from __future__ import annotations

from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError


def is_canceled(flow_run: UUID) -> bool:
    """Ask the server; one that does not answer has not canceled anything."""
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(flow_run).state
    except (httpx.HTTPError, PrefectHTTPStatusError):
        return False
    return state is not None and (state.is_cancelling() or state.is_cancelled())
