"""What a call starts first, before this process imports Prefect and Dask, which takes seconds."""

from __future__ import annotations

import sys
from contextlib import nullcontext

from prefect_parallel.flow.fork_server import ForkServer
from prefect_parallel.functions.quiet import quiet_variables

NODES = "prefect_parallel.flow.nodes.node_process"
"""The module of what the fork server forks; it imports Prefect and Dask, too, on another core."""


def start_fork_server() -> None:
    """Start the process that nodes are forked from, unless there is one, and do not wait for it."""
    context = sys.modules.get("prefect.context")
    in_flow = context is not None and context.FlowRunContext.get() is not None
    with nullcontext() if in_flow else quiet_variables():
        ForkServer.get().import_ahead(NODES)
