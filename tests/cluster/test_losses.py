"""What a step can lose while it runs: results, nodes, workers, connections, the scheduler."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from prefect_parallel.blocks import Compute
from tests.cluster.conftest import Cluster
from tests.cluster.connection import Connection
from tests.e2e.conftest import Pipeline, nodes_of, write_pipeline
from tests.waiting import wait_until

SCRIPT = """
    import os, time
    PLACE = FOLDER
    def init(): pass
    def take(number):
        try:
            os.mkdir(os.path.join(PLACE, f"early {number}"))
        except FileExistsError:
            return False
        return True
    def run(mini_batch):
        name = os.path.basename(mini_batch[0])[:3]
        with open(os.path.join(PLACE, "calls", name), "a") as file:
            file.write("x")
        calls = os.path.getsize(os.path.join(PLACE, "calls", name))
        BODY
        return [name]
    def shutdown():
        SHUTDOWN
"""


def write(
    root: Path,
    server: str,
    body: str = "pass",
    *,
    shutdown: str = "pass",
    files: int,
    **keys: Any,
) -> Pipeline:
    """A step whose `run` knows `PLACE`, the `name` of its file, and how many `calls` it had."""
    (root / "calls").mkdir()
    script = SCRIPT.replace("FOLDER", repr(str(root))).replace("BODY", body)
    script = script.replace("SHUTDOWN", shutdown)
    return write_pipeline(root, server, script, files=files, **keys)


def calls(root: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted((root / "calls").iterdir())}


def names(count: int) -> list[str]:
    return [f"{number:03d}" for number in range(count)]


def parts(it: Pipeline) -> int:
    return len(it.committed())


def finish(process: subprocess.Popen[str], *, expect: int = 0) -> str:
    said, _ = process.communicate(timeout=480)
    assert process.returncode == expect, said
    assert "Traceback" not in said
    return said


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster whose workers see the run directory."""
    it = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        it.start_scheduler()
        it.start_workers("one", "two")
        yield it
    finally:
        it.close()


def compute(address: str) -> str:
    """The name of a compute block for a scheduler's address."""
    name = f"it-{uuid4().hex}"
    Compute(address=address).save(name)
    return name


# The first four that run, whichever these are, do not wait.
HELD = """
        early = any(take(number) for number in range(4))
        while not early and not os.path.exists(os.path.join(PLACE, "go")):
            time.sleep(0.05)
        time.sleep(1)
"""

LONG = {"max_retries": 0, "timeout": 600}


def on_cluster(root: Path, server: str, address: str, *, nodes: int = 2) -> Pipeline:
    """A step of 16 mini-batches that take a second each; all but four wait for the file `go`."""
    resources = {"instance_count": nodes}
    keys = {"compute": compute(address), "resources": resources, "retry_settings": LONG}
    return write(root, server, HELD.strip(), files=16, **keys)


def test_a_result_that_is_lost_with_its_node(tmp_path: Path, server: str) -> None:
    # As many as are submitted before one has ended: three per slot.
    it = write(tmp_path, server, files=6)
    driver = Path(__file__).with_name("paused_driver.py")
    command = [sys.executable, str(driver), str(tmp_path)]
    process = subprocess.Popen(
        [*command, "run", str(it.file), "--name", "run"],
        cwd=it.folder,
        env=it.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    wait_until((tmp_path / "ended").exists)
    wait_until(lambda: parts(it) == 6)
    [node] = nodes_of(process.pid)
    node.kill()
    finish(process)
    assert it.output.read_text().split() == names(6)
    assert it.result["mini_batches"] == {"total": 6, "succeeded": 6, "failed": 0, "retried": 0}
    assert calls(tmp_path) == dict.fromkeys(names(6), 1)


def test_a_node_that_is_killed_does_not_give_mini_batches_more_attempts(
    tmp_path: Path, server: str
) -> None:
    body = """
        if name == "002" or (name == "003" and calls == 1):
            raise ValueError("no good")
        while name == "003" and calls == 2:
            time.sleep(0.1)
    """
    retries = {**LONG, "max_retries": 1}
    keys = {"retry_settings": retries, "max_concurrency_per_instance": 1}
    it = write(tmp_path, server, body.strip(), files=12, **keys)
    # The first two mini-batches run alone, and some others share a task run.
    process = it.start("--max-task-runs", "1")
    wait_until(lambda: calls(tmp_path).get("003") == 2)
    [node] = nodes_of(process.pid)
    node.kill()
    finish(process)
    # What is lost is the last attempt of 003; 002 had failed for good in the same task run.
    assert calls(tmp_path) == {**dict.fromkeys(names(12), 1), "002": 2, "003": 3}
    assert it.output.read_text().split() == [name for name in names(12) if name != "002"]
    assert it.result["mini_batches"] == {"total": 12, "succeeded": 11, "failed": 1, "retried": 2}


def terminate(nanny: subprocess.Popen[bytes], _: Cluster) -> None:
    """As Kubernetes deletes a pod, or a cloud takes a machine back."""
    nanny.terminate()


def terminate_and_kill(nanny: subprocess.Popen[bytes], _: Cluster) -> None:
    """The same with a grace period that is too short: all processes of the pod are killed."""
    everything = psutil.Process(nanny.pid).children(recursive=True)
    nanny.terminate()
    for process in (nanny, *everything):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def kill(nanny: subprocess.Popen[bytes], _: Cluster) -> None:
    nanny.kill()


def retire(_: subprocess.Popen[bytes], cluster: Cluster) -> None:
    """As an adaptive cluster shrinks."""
    with cluster.client() as client:
        client.retire_workers(names=["ending"], close_workers=True)


@pytest.mark.parametrize("end", [terminate, terminate_and_kill, kill, retire])
def test_a_worker_that_is_ended(
    tmp_path: Path,
    server: str,
    cluster: Cluster,
    end: Callable[[subprocess.Popen[bytes], Cluster], None],
) -> None:
    it = on_cluster(tmp_path, server, cluster.address, nodes=3)
    cluster.start_workers("ending")
    process = it.start()
    wait_until(lambda: cluster.entry_processes("ending") and parts(it) >= 3)
    nanny = cluster.processes.pop("ending")
    (tmp_path / "go").touch()
    end(nanny, cluster)
    finish(process)
    nanny.terminate()
    assert it.output.read_text().split() == names(16)
    assert it.result["mini_batches"] == {"total": 16, "succeeded": 16, "failed": 0, "retried": 0}


def test_a_scheduler_whose_workers_are_restarted(
    tmp_path: Path, server: str, cluster: Cluster
) -> None:
    it = on_cluster(tmp_path, server, cluster.address)
    process = it.start()
    wait_until(lambda: parts(it) >= 4)
    with cluster.client() as client:
        client.restart()
    (tmp_path / "go").touch()
    finish(process)
    assert it.output.read_text().split() == names(16)
    assert calls(tmp_path).keys() == set(names(16))


def test_a_connection_to_the_scheduler_that_breaks(
    tmp_path: Path, server: str, cluster: Cluster
) -> None:
    with Connection(cluster.port) as connection:
        it = on_cluster(tmp_path, server, connection.address)
        process = it.start()
        wait_until(lambda: parts(it) >= 4)
        connection.cut()
        (tmp_path / "go").touch()
        finish(process)
    assert it.output.read_text().split() == names(16)
    cluster.refuse_leftovers(patience=120)


def test_a_worker_that_hangs_does_not_cost_the_other_node(
    tmp_path: Path, server: str, cluster: Cluster
) -> None:
    it = on_cluster(tmp_path, server, cluster.address)
    process = it.start()
    wait_until(lambda: cluster.entry_processes("one") and cluster.entry_processes("two"))
    with cluster.client() as client:
        [worker] = client.run(os.getpid, workers=[cluster.addresses()["one"]]).values()
    os.kill(worker, signal.SIGSTOP)
    try:
        before = cluster.entry_processes("two")
        # Longer than a lease.
        time.sleep(8)
        assert set(before) <= set(cluster.entry_processes("two"))
    finally:
        os.kill(worker, signal.SIGCONT)
    (tmp_path / "go").touch()
    finish(process)
    assert it.output.read_text().split() == names(16)
    assert not any("renew_lease" in log.read_text() for log in cluster.folder.glob("*.log"))


def test_a_driver_that_is_suspended(tmp_path: Path, server: str, cluster: Cluster) -> None:
    it = on_cluster(tmp_path, server, cluster.address)
    process = it.start()
    wait_until(lambda: parts(it) >= 4)
    process.send_signal(signal.SIGSTOP)
    # Its nodes are free for others.
    cluster.refuse_leftovers(patience=120)
    (tmp_path / "go").touch()
    process.send_signal(signal.SIGCONT)
    finish(process)
    assert it.output.read_text().split() == names(16)
    assert it.result["mini_batches"]["failed"] == 0


def test_nodes_that_join_again_while_they_still_close(
    tmp_path: Path, server: str, cluster: Cluster
) -> None:
    it = write(
        tmp_path,
        server,
        'time.sleep(600 if name == "004" and calls == 1 else 0)',
        shutdown="time.sleep(6)",
        files=5,
        compute=compute(cluster.address),
        resources={"instance_count": 2},
        retry_settings=LONG,
    )
    process = it.start()
    # One process is at work, and the others have nothing to do: they are shut down in the end.
    wait_until(lambda: parts(it) == 4 and calls(tmp_path).get("004") == 1)
    before = cluster.plugins()
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: all(len(now) < len(before[each]) for each, now in cluster.plugins().items()))
    process.send_signal(signal.SIGCONT)
    finish(process)
    assert it.output.read_text().split() == names(5)
    assert it.result["mini_batches"]["failed"] == 0


def test_a_driver_that_is_gone_frees_its_nodes(
    tmp_path: Path, server: str, cluster: Cluster
) -> None:
    it = on_cluster(tmp_path, server, cluster.address)
    process = it.start()
    wait_until(lambda: parts(it) >= 4)
    assert any(cluster.plugins().values())
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    cluster.refuse_leftovers(patience=120)


def test_the_process_that_nodes_are_forked_from_is_killed(tmp_path: Path, server: str) -> None:
    it = write(tmp_path, server, HELD.strip(), files=12, retry_settings=LONG)
    process = it.start()
    wait_until(lambda: parts(it) >= 2)
    [node] = nodes_of(process.pid)
    psutil.Process(node.ppid()).kill()
    said = finish(process, expect=1)
    assert "the process that nodes are forked from was killed, and all nodes with it" in said
    assert "resume the run" in said
    wait_until(lambda: it.left_over() == [])
    (tmp_path / "go").touch()
    it.run("--resume", "run")
    assert it.output.read_text().split() == names(12)


BROKEN = """
    import os, time
    from pathlib import Path
    from azureml_user.parallel_run import EntryScript

    def init():
        if EntryScript().node_id in NODES:
            raise OSError("no model on " + EntryScript().node_id)

    def run(mini_batch):
        # As long as it takes on a busy machine, on which processes start slowly.
        (log,) = Path(FOLDER).glob("*/runs/run/steps/step/logs/sys/job.txt")
        while "is left out" not in log.read_text():
            time.sleep(0.05)
        return [os.path.basename(mini_batch[0])[:3]]
"""


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_worker_on_which_init_never_succeeds_is_left_out(
    tmp_path: Path, server: str, cluster: Cluster, nodes: int
) -> None:
    # Of one node, the other worker takes the place.
    script = BROKEN.replace("NODES", "['node-one']").replace("FOLDER", repr(str(tmp_path)))
    keys = {"compute": compute(cluster.address), "resources": {"instance_count": nodes}}
    keys["retry_settings"] = LONG
    it = write_pipeline(tmp_path, server, script, files=24, **keys)
    said = finish(it.start())
    assert said.count(" is left out: ") == 1
    assert "times on node-one: OSError: no model on node-one" in said
    assert it.output.read_text().split() == names(24)
    assert it.result["mini_batches"] == {"total": 24, "succeeded": 24, "failed": 0, "retried": 0}
    cluster.refuse_leftovers()


def test_init_succeeds_on_no_worker(tmp_path: Path, server: str, cluster: Cluster) -> None:
    script = BROKEN.replace("NODES", "['node-one', 'node-two']")
    keys = {"compute": compute(cluster.address), "resources": {"instance_count": 2}}
    it = write_pipeline(tmp_path, server, script, files=24, **keys)
    said = finish(it.start(), expect=1)
    assert said.count(" is left out: ") == 1
    assert "the entry script failed before its first mini-batch" in it.result["reason"]
    cluster.refuse_leftovers()
