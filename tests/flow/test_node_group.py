from __future__ import annotations

import threading

import pytest
from distributed import Client, LocalCluster

from prefect_parallel.flow.nodes.dedicated_cluster import DedicatedCluster
from prefect_parallel.flow.nodes.node_group import NoNode


def test_nodes_that_do_not_run_yet_are_waited_for() -> None:
    options = {"threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(n_workers=0, **options) as cluster, Client(cluster) as client:
        nodes = DedicatedCluster(client)
        with pytest.raises(NoNode, match=r"no node started within 0\.3 s"):
            nodes.assemble(0.3, threading.Event())
        threading.Timer(0.5, cluster.scale, [1]).start()
        assert nodes.assemble(60, threading.Event()) is None
        [worker] = client.scheduler_info()["workers"].values()
        assert worker["status"] == "running"
