"""Concurrency limits of the Prefect server, which apply to task runs by their tags."""

from __future__ import annotations

from collections.abc import Iterable

from prefect.client.orchestration import SyncPrefectClient
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound

from prefect_parallel.flow.server.flow_run import NO_ANSWER


def limited(tags: Iterable[str]) -> list[str]:
    """Those of the tags that have a limit now, or may have one: the server did not answer.

    Prefect asks the server about the tags of each task run, which costs it 20 ms of CPU.
    """
    context = FlowRunContext.get()
    assert context is not None
    assert isinstance(context.client, SyncPrefectClient)
    return [tag for tag in tags if _may_be_limited(context.client, tag)]


def _may_be_limited(client: SyncPrefectClient, tag: str) -> bool:
    try:
        client.read_concurrency_limit_by_tag(tag)
    except ObjectNotFound:
        return False
    except NO_ANSWER:
        return True
    return True
