"""The process that nodes are forked from."""

from __future__ import annotations

import subprocess
import sys

# Like the command, which has no time for the collector while it imports.
DRIVER = """
import gc
gc.disable()
from prefect_parallel.flow.fork_server import ForkServer
ForkServer.fork()
gc.enable()
from distributed import Client
from prefect_parallel.flow.nodes.local_nodes import LocalNodes
with LocalNodes(1, 1) as cluster, Client(cluster) as client:
    client.wait_for_workers(1, timeout=60)
    print(*client.run(gc.isenabled).values())
"""


def test_nodes_have_garbage_collection_though_the_command_was_forked_without() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout == "True\n", done.stderr
