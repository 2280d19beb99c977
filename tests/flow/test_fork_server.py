"""The process that nodes are forked from."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Like the command, which has no time for the collector while it imports.
FORKED = """
import gc
gc.disable()
from prefect_parallel.flow.fork_server import ForkServer
ForkServer.fork()
gc.enable()
"""

DRIVER = """
import gc
from distributed import Client
from prefect_parallel.flow.nodes.local_nodes import LocalNodes
with LocalNodes(1, 1) as cluster, Client(cluster) as client:
    client.wait_for_workers(1, timeout=200)
    print(*client.run(gc.isenabled).values())
"""


@pytest.mark.parametrize("start", [FORKED, ""], ids=["forked", "executed"])
def test_nodes_have_garbage_collection_and_show_no_deprecations(start: str) -> None:
    command = [sys.executable, "-c", start + DRIVER]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.stdout == "True\n", done.stderr
    assert "DeprecationWarning" not in done.stderr  # Of Python 3.12 and newer.
