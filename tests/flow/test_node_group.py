from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from distributed import Client, LocalCluster, Worker

from prefect_parallel.flow.nodes import dedicated_cluster, shared_cluster
from prefect_parallel.flow.nodes.dedicated_cluster import DedicatedCluster
from prefect_parallel.flow.nodes.node_group import NodeGroup, NoNode
from prefect_parallel.flow.nodes.node_lease import NodeRequest
from prefect_parallel.flow.nodes.shared_cluster import SharedCluster

OPTIONS = {"threads_per_worker": 1, "dashboard_address": ":0"}


def test_nodes_that_do_not_run_yet_are_waited_for() -> None:
    with LocalCluster(n_workers=0, **OPTIONS) as cluster, Client(cluster) as client:
        nodes = DedicatedCluster(client)
        with pytest.raises(NoNode, match=r"no node started within 0\.3 s"):
            nodes.assemble(0.3, threading.Event())
        threading.Timer(0.5, cluster.scale, [1]).start()
        assert nodes.assemble(60, threading.Event()) is None
        [worker] = client.scheduler_info()["workers"].values()
        assert worker["status"] == "running"


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_node_that_hangs_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, is_shared: bool
) -> None:
    for module in (dedicated_cluster, shared_cluster):
        monkeypatch.setattr(module, "ANSWER_SECONDS", 1)
    with LocalCluster(n_workers=2, **OPTIONS) as cluster, Client(cluster) as client:
        request = NodeRequest(nodes=2, slots=1)
        nodes: NodeGroup = SharedCluster(client, request) if is_shared else DedicatedCluster(client)
        nodes.assemble(60, threading.Event())
        with suspended(next(iter(client.run(os.getpid).values()))):
            nodes.run(note)
            nodes.close()
        asked = client.run(lambda dask_worker: hasattr(dask_worker, "asked"))
    assert any(asked.values())


def note(dask_worker: Worker) -> None:
    dask_worker.asked = True  # type: ignore[attr-defined]


@contextmanager
def suspended(process: int) -> Iterator[None]:
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)
