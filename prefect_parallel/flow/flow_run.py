"""The pipeline's flow run, as the Prefect server has it. A run does not depend on its answers."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError


def is_canceled(flow_run: UUID) -> bool:
    """Whether somebody has canceled it in the Prefect UI, with no worker there to hear that."""
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(flow_run).state
    except (httpx.HTTPError, PrefectHTTPStatusError):
        return False
    return state is not None and (state.is_cancelling() or state.is_cancelled())


def tag_flow_run(flow_run: UUID, tags: Sequence[str]) -> None:
    """Add tags to those that it has."""
    if not tags:
        return
    try:
        with get_client(sync_client=True) as client:
            present = client.read_flow_run(flow_run).tags
            client.update_flow_run(flow_run, tags=sorted({*present, *tags}))
    except (httpx.HTTPError, PrefectHTTPStatusError):
        return
