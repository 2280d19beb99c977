from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from distributed import Client, LocalCluster, Worker

from prefect_parallel.flow.nodes import dedicated_cluster, shared_cluster
from prefect_parallel.flow.nodes.dedicated_cluster import DedicatedCluster
from prefect_parallel.flow.nodes.node_group import NodeGroup, NoNode
from prefect_parallel.flow.nodes.node_lease import NodeRequest
from prefect_parallel.flow.nodes.shared_cluster import SharedCluster
from tests.waiting import wait_until

OPTIONS = {"threads_per_worker": 1, "dashboard_address": ":0"}


def test_nodes_that_do_not_run_yet_are_waited_for() -> None:
    with LocalCluster(n_workers=0, **OPTIONS) as cluster, Client(cluster) as client:
        nodes = DedicatedCluster(client)
        with pytest.raises(NoNode, match=r"no node started within 0\.3 s"):
            nodes.assemble(0.3, threading.Event())
        threading.Timer(0.5, cluster.scale, [1]).start()
        assert nodes.assemble(240, threading.Event()) is None
        [worker] = client.scheduler_info()["workers"].values()
        assert worker["status"] == "running"


def test_nodes_are_not_waited_for_any_more_once_the_run_is_canceled() -> None:
    canceled = threading.Event()
    canceled.set()
    with LocalCluster(n_workers=0, **OPTIONS) as cluster, Client(cluster) as client:
        assert DedicatedCluster(client).assemble(240, canceled) is None


def test_a_program_that_hangs_does_not_block_the_worker_that_joins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(
        f"#!/bin/sh\ncd '{tmp_path}'; touch asked; until [ -e go ]; do sleep 0.1; done"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with LocalCluster(n_workers=1, **OPTIONS) as cluster, Client(cluster) as client:
        nodes = SharedCluster(client, NodeRequest(nodes=1, slots=None))
        with ThreadPoolExecutor(1) as thread:
            joining = thread.submit(nodes.assemble, 240, threading.Event())
            wait_until((tmp_path / "asked").exists)
            assert client.submit(len, "others").result(timeout=240) == 6
            assert not joining.done()
            (tmp_path / "go").touch()
            assert joining.result() is None
        nodes.close()


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_node_that_hangs_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, is_shared: bool
) -> None:
    with LocalCluster(n_workers=2, **OPTIONS) as cluster, Client(cluster) as client:
        request = NodeRequest(nodes=2, slots=1)
        nodes: NodeGroup = SharedCluster(client, request) if is_shared else DedicatedCluster(client)
        nodes.assemble(240, threading.Event())
        for module in (dedicated_cluster, shared_cluster):
            monkeypatch.setattr(module, "ANSWER_SECONDS", 3)
        with suspended(next(iter(client.run(os.getpid).values()))):
            nodes.run(note)
            nodes.close()
        asked = client.run(lambda dask_worker: hasattr(dask_worker, "asked"))
    assert any(asked.values())


def test_a_worker_that_hangs_delays_neither_other_nodes_nor_a_cancellation() -> None:
    with LocalCluster(n_workers=2, **OPTIONS) as cluster, Client(cluster) as client:
        processes = client.run(os.getpid)
        with suspended(min(processes.items())[1]):
            nodes, canceled = (
                SharedCluster(client, NodeRequest(nodes=2, slots=1)),
                threading.Event(),
            )
            with ThreadPoolExecutor(1) as thread:
                joining = thread.submit(nodes.assemble, 240, canceled)
                time.sleep(2)
                assert not joining.done()
                canceled.set()
                joining.result(timeout=5)
        wait_until(lambda: len(nodes.memberships) == 2)
        nodes.close()


def note(dask_worker: Worker) -> None:
    dask_worker.asked = True  # type: ignore[attr-defined]


@contextmanager
def suspended(process: int) -> Iterator[None]:
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)
