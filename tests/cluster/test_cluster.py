"""Parallel steps on a Dask cluster whose workers have nothing from the driver but the run store."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from prefect_parallel import ParallelFailed, parallel
from prefect_parallel.blocks import Compute, Datastore
from tests.cluster.conftest import SECRET, Cluster, write_job
from tests.cluster.network import network
from tests.e2e.conftest import COMMAND, write_pipeline
from tests.remote.conftest import Store
from tests.waiting import wait_until

# The first mini-batches wait until there is one on each node.
SCRIPT = """
    import os, subprocess, sys, time
    from azureml_user.parallel_run import EntryScript
    def init():
        global models, tool
        models = sys.argv[sys.argv.index("--models") + 1]
        tool = subprocess.check_output(["./tool.sh"], text=True).strip()
    def run(mini_batch):
        open(os.path.join(NODES, EntryScript().node_id), "w").close()
        while len(os.listdir(NODES)) < 2:
            time.sleep(0.05)
        number = open(mini_batch[0]).read()
        with open(os.path.join(models, f"{number}.model"), "w") as file:
            file.write(f"model {number}")
        print("printed", number)
        if number == "3" and not os.path.exists("/nonexistent"):
            raise ValueError("three is no good")
        return [f"{number} {tool}"]
"""

SLOW = """
    import time
    def init(): pass
    def run(mini_batch):
        time.sleep(1)
        return [open(mini_batch[0]).read()]
"""

# As `SLOW`, but all wait for a file, except the first eight that run.
HELD = """
    import os, time
    def init(): pass
    def take(number):
        try:
            os.mkdir(GO + f"-{number}")
        except FileExistsError:
            return False
        return True
    def run(mini_batch):
        number = open(mini_batch[0]).read()
        early = any(take(number) for number in range(8))
        while not early and not os.path.exists(GO):
            time.sleep(0.05)
        time.sleep(1)
        return [number]
"""

LONG = {"max_retries": 0, "timeout": 600}


def with_models(job: dict[str, Any]) -> None:
    step = job["jobs"]["step"]
    step["outputs"]["models"] = {"type": "uri_folder"}
    step["task"]["program_arguments"] = "--models ${{outputs.models}}"


def test_a_step_on_nodes_that_have_nothing_but_the_store(
    hidden: Path, server: str, s3: Store, cluster: Cluster
) -> None:
    nodes_seen = cluster.folder / uuid4().hex
    nodes_seen.mkdir()
    keys = {"max_concurrency_per_instance": 1, "retry_settings": LONG}
    compute, script = (
        Compute(address=cluster.address),
        SCRIPT.replace("NODES", repr(str(nodes_seen))),
    )
    job = write_job(hidden, server, s3, compute, script, files=12, **keys)
    job.change(with_models)
    tool = job.pipeline.folder / "code" / "tool.sh"
    tool.write_text("#!/bin/sh\necho works\n")
    tool.chmod(0o755)
    said = job.run()
    assert "1 of 12 mini-batches failed and was ignored" in said
    assert job.output == "".join(f"{number} works\n" for number in range(12) if number != 3)
    # By address, a worker without a name; by its name, and what tells it from others, one with.
    logs = job.step / "logs"
    nodes = sorted(path.name for path in (logs / "user" / "stdout").iterdir())
    assert len(nodes) == 2
    assert nodes[0].startswith("node-127.0.0.1-")
    assert nodes[1].startswith("node-al-ice-")
    for node in nodes:
        # One slot, though there are two threads.
        processes = [path.name for path in (logs / "user" / "stdout" / node).iterdir()]
        assert processes == ["process000.stdout.txt"]
        assert "succeeded" in (logs / "sys" / "node" / node / "process000.txt").read_text()
    assert job.result["nodes"] == 2
    printed = "".join(path.read_text() for path in (logs / "user" / "stdout").rglob("*.txt"))
    assert sorted(printed.split()[1::2], key=int) == [str(number) for number in range(12)]
    assert (logs / "user" / "error.txt").read_text().count("three is no good") == 1
    assert "three is no good" in (job.step / job.traceback_file).read_text()
    models = {path.name: path.read_text() for path in (job.step / "outputs" / "models").iterdir()}
    assert models == {f"{number}.model": f"model {number}" for number in range(12)}
    # The store has the same, and nothing that was only on its way.
    assert job.stored()["outputs/models/7.model"] == b"model 7"
    assert not any("from_nodes" in name for name in job.stored())
    everything = [path.read_bytes() for path in job.directory.rglob("*") if path.is_file()]
    everything += [path.read_bytes() for path in cluster.folder.rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in content for content in everything)
    cluster.refuse_leftovers()


def test_more_slots_than_threads(hidden: Path, server: str, s3: Store, cluster: Cluster) -> None:
    running = cluster.folder / uuid4().hex
    running.mkdir()
    # Each waits until all run, on the two threads of the one worker.
    script = f"""
        import os, time
        def init(): pass
        def run(mini_batch):
            open(os.path.join({str(running)!r}, str(os.getpid())), "w").close()
            while len(os.listdir({str(running)!r})) < 5:
                time.sleep(0.05)
            return mini_batch
    """
    compute = Compute(address=cluster.address, max_instances=1)
    keys = {"max_concurrency_per_instance": 5, "retry_settings": LONG}
    job = write_job(hidden, server, s3, compute, script, files=5, **keys)
    job.run()
    assert job.result["mini_batches"]["succeeded"] == 5
    assert job.result["nodes"] == 1
    assert job.result["processes"] == 5


def test_fewer_workers_than_asked_for_and_one_that_comes_later(
    hidden: Path, server: str, s3: Store, cluster: Cluster
) -> None:
    go = cluster.folder / uuid4().hex
    compute, script = Compute(address=cluster.address), HELD.replace("GO", repr(str(go)))
    job = write_job(hidden, server, s3, compute, script, files=40, retry_settings=LONG)
    job.change(lambda it: it["jobs"]["step"]["resources"].update(instance_count=3))
    process = job.start()
    job.wait_for_parts(1)
    before = set(cluster.addresses())
    cluster.start_workers("late")
    # All others wait for it to have work.
    wait_until(lambda: cluster.entry_processes("late"))
    go.touch()
    said, _ = process.communicate(timeout=480)
    assert process.returncode == 0, said
    assert said.count("the step uses 2 of 3 nodes, as the cluster has no more workers") == 1
    assert job.output == "".join(f"{number}\n" for number in range(40))
    nodes = {path.name for path in (job.step / "logs" / "user" / "stdout").iterdir()}
    assert "node-late" in nodes
    assert len(nodes) == 3
    late = cluster.processes.pop("late")
    late.terminate()
    late.wait(timeout=240)
    wait_until(lambda: set(cluster.addresses()) == before)


def test_a_worker_is_killed_and_comes_back(
    hidden: Path, server: str, s3: Store, cluster: Cluster
) -> None:
    go = cluster.folder / uuid4().hex
    compute, script = Compute(address=cluster.address), HELD.replace("GO", repr(str(go)))
    job = write_job(hidden, server, s3, compute, script, files=24, retry_settings=LONG)
    process = job.start()
    job.wait_for_parts(4)
    with cluster.client() as client:
        victim = client.run(os.getpid, workers=[cluster.addresses()["al ice"]])
    os.kill(*victim.values(), signal.SIGKILL)
    go.touch()
    said, _ = process.communicate(timeout=480)
    assert process.returncode == 0, said
    assert job.output == "".join(f"{number}\n" for number in range(24))
    assert job.result["mini_batches"] == {
        "total": 24,
        "succeeded": 24,
        "failed": 0,
        "retried": 0,
    }


def test_a_driver_is_killed_and_what_nodes_stored_is_gone_on_with(
    hidden: Path, server: str, s3: Store, cluster: Cluster
) -> None:
    go = cluster.folder / uuid4().hex
    script = HELD.replace("GO", repr(str(go))).replace("(mini_batch):", "(mini_batch, context):")
    script = script.replace(
        "time.sleep(1)", "time.sleep(1); (context.output_dir / mini_batch[0][-7:]).touch()"
    )
    compute = Compute(address=cluster.address)
    job = write_job(hidden, server, s3, compute, script, files=16, retry_settings=LONG)
    job.change(with_models)
    process = job.start()
    job.wait_for_parts(6)
    assert cluster.entry_processes()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    cluster.refuse_leftovers(patience=120)
    go.touch()
    changed = min(int(name[6:12]) for name in job.stored() if name.startswith("parts/"))
    s3.write(f"data/{changed:03d}.txt", b"changed")
    said = job.run(resumes=True)
    reused = int(said.partition(" of 16 mini-batches are reused")[0].split()[-1])
    assert 5 <= reused <= 7
    assert "1 have other data" in said
    assert job.output.split() == [
        "changed" if number == changed else str(number) for number in range(16)
    ]
    models = sorted(path.name for path in (job.step / "outputs" / "models").iterdir())
    assert models == [f"{number:03d}.txt" for number in range(16)]
    stored = sorted(name for name in job.stored() if "output_dirs" in name or "models/" in name)
    assert stored == [f"outputs/models/{name}" for name in models]


def test_a_file_that_is_open_until_the_end_is_uploaded_then(
    hidden: Path, server: str, s3: Store, cluster: Cluster
) -> None:
    script = """
        import os, sys
        from azureml_user.parallel_run import EntryScript
        def init():
            global log
            models, entry = sys.argv[sys.argv.index("--models") + 1], EntryScript()
            name = f"{entry.node_id}-{entry.agent_name}.log"
            log = open(os.path.join(models, name), "w", buffering=1)
        def run(mini_batch):
            print(open(mini_batch[0]).read(), file=log)
            return mini_batch
        def shutdown():
            print("closed", file=log)
    """
    compute = Compute(address=cluster.address)
    job = write_job(hidden, server, s3, compute, script, files=8, retry_settings=LONG)
    job.change(with_models)
    job.run()
    logs = {path.name: path.read_text() for path in (job.step / "outputs/models").iterdir()}
    lines = "".join(logs.values()).split()
    assert sorted(lines) == [*map(str, range(8)), *["closed"] * len(logs)]
    stored = job.stored()
    assert all(stored[f"outputs/models/{name}"].decode() == logs[name] for name in logs)


def test_a_step_reads_what_an_earlier_one_left_in_the_store(
    hidden: Path, server: str, s3: Store, cluster: Cluster
) -> None:
    job = write_job(hidden, server, s3, Compute(address=cluster.address), SLOW, files=0)

    def after_a_command(written: dict[str, Any]) -> None:
        step = written["jobs"]["step"]
        step["inputs"]["files"]["path"] = "${{parent.jobs.make.outputs.files}}"
        written["jobs"]["make"] = {
            "type": "command",
            "command": 'for i in 1 2 3; do echo -n "$i" > ${{outputs.files}}/$i; done',
            "outputs": {"files": {"type": "uri_folder"}},
            "environment": "azureml:any:1",
        }

    job.change(after_a_command)
    job.run()
    assert job.output == "1\n2\n3\n"


def test_a_function_over_data_that_is_only_in_the_drivers_memory_or_on_its_disk(
    hidden: Path, server: str, s3: Store, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, name = hidden / uuid4().hex, f"it-{uuid4().hex}"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    Datastore(url=s3.url, storage_options=dict(s3.options)).save(name)
    s3.write("urls/a.csv", b"number\n4\n")
    (folder / "here").mkdir(parents=True)
    (folder / "here" / "b.csv").write_text("number\n5\n")
    where = {"output_dir": f"azureml://datastores/{name}/paths/runs"}
    with temporary_settings({PREFECT_API_URL: server}):
        twice = parallel(
            lambda items: [2 * item for item in items],
            compute=Compute(address=cluster.address),
            mini_batch_size=2,
        )
        even = parallel(
            lambda items: [item // (1 - item % 2) for item in items],
            compute=Compute(address=cluster.address),
            mini_batch_size=8,
            max_retries=1,
            isolate_failed_items=True,
        )
        found = even([0, 2, 3, 4, 6, 8, 10, 12, 14], **where)
        assert list(found) == [0, 2, 4, 6, 8, 10, 12, 14]
        assert [(each["mini_batch"], each["item"]) for each in found.failed_items] == [(0, 2)]
        assert [each["attempts"] for each in found.failed] == [2]
        column = parallel(lambda rows: rows.number.tolist(), compute=twice.settings["compute"])
        assert list(twice([1, 2, 3], **where)) == [2, 4, 6]
        assert list(column(pd.DataFrame({"number": [1, 2]}), **where)) == [1, 2]
        remote = f"azureml://datastores/{name}/paths/urls/a.csv"
        assert list(column([remote], **where)) == [4]
        with pytest.raises(ParallelFailed, match=r"does not see the input .*/here"):
            column([remote, str(folder / "here" / "b.csv")], **where)


def test_a_step_that_fails_and_one_that_is_canceled(
    hidden: Path, server: str, s3: Store, cluster: Cluster
) -> None:
    script = """
        import time
        def init(): pass
        def run(mini_batch):
            time.sleep(0.5)
            number = open(mini_batch[0]).read()
            if number == "2":
                raise ValueError("two is no good")
            return [number]
    """
    compute = Compute(address=cluster.address)
    keys = {"mini_batch_error_threshold": 0, "retry_settings": LONG}
    job = write_job(hidden, server, s3, compute, script, files=200, **keys)
    said = job.run(expect=1)
    assert "1 mini-batch failed, more than mini_batch_error_threshold: 0" in said
    assert job.result["status"] == "Failed"
    assert job.result["mini_batches"]["failed"] == 1
    assert "two is no good" in (job.step / job.traceback_file).read_text()

    s3.write("data/002.txt", b"two")
    process = job.start(resumes=True)
    job.wait_for_parts(12)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=480)
    assert process.returncode == 1, said
    assert job.result["status"] == "Canceled"
    assert job.result["mini_batches"]["succeeded"] >= 8
    cluster.refuse_leftovers()


def test_a_run_directory_that_nodes_do_not_see(
    hidden: Path, server: str, s3: Store, cluster: Cluster
) -> None:
    job = write_job(hidden, server, s3, Compute(address=cluster.address), SLOW, files=2)
    said = job.pipeline.run(expect=1)
    assert "cannot be a node: it does not see the run directory" in said
    assert "--output-dir s3://bucket/runs" in said
    cluster.refuse_leftovers()


def test_an_input_that_nodes_do_not_see(
    hidden: Path, server: str, s3: Store, cluster: Cluster
) -> None:
    job = write_job(hidden, server, s3, Compute(address=cluster.address), SLOW, files=2)
    (job.pipeline.folder / "data" / "here").write_text("")

    def read_here(written: dict[str, Any]) -> None:
        written["jobs"]["step"]["inputs"]["files"]["path"] = "./data"

    job.change(read_here)
    said = job.run(expect=1)
    assert f"it does not see the input {job.pipeline.folder}/data" in said


def test_a_scheduler_that_is_killed_and_a_run_directory_that_nodes_see(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "6s")
    seeing = Cluster(tmp_path)
    name = f"it-{uuid4().hex}"
    Compute(address=seeing.address).save(name)
    go = tmp_path / "go"
    script = f"""
        import os, time
        def run(mini_batch):
            # The first call returns, whichever mini-batch it has.
            try:
                open({str(tmp_path / "first")!r}, "x").close()
            except FileExistsError:
                while not os.path.exists({str(go)!r}):
                    time.sleep(0.05)
            return mini_batch
    """
    it = write_pipeline(tmp_path, server, script, files=8, compute=name, retry_settings=LONG)
    try:
        seeing.start_scheduler()
        seeing.start_workers("one")
        process = it.start()
        wait_until(it.committed)
        seeing.processes["scheduler"].kill()
        said, _ = process.communicate(timeout=480)
        assert process.returncode == 1, said
        assert "the Dask scheduler is gone; when it is back, resume the run" in said
        assert "Traceback" not in said

        go.touch()
        seeing.start_scheduler()
        seeing.start_workers("other")
        resumed = [*COMMAND, "run", str(it.file), "--resume", "run"]
        done = subprocess.run(
            resumed, cwd=it.folder, env=it.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert " of 8 mini-batches are reused" in done.stdout
        assert len(it.output.read_text().splitlines()) == 8
        assert (it.step / "logs" / "user" / "stdout" / "node-other").is_dir()
    finally:
        seeing.close()


def test_a_scheduler_that_is_not_there(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "2s")
    name = f"it-{uuid4().hex}"
    Compute(address="tcp://127.0.0.1:9").save(name)
    said = write_pipeline(tmp_path, server, SLOW, compute=name).run(expect=1)
    assert "no Dask cluster: tcp://127.0.0.1:9" in said
    assert "Traceback" not in said


def test_a_cluster_that_is_secured_with_tls(
    tmp_path: Path, hidden: Path, server: str, s3: Store
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=dask", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*request, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    secured = Cluster(tmp_path, hidden, tls=(certificate, key))
    try:
        secured.start_scheduler()
        secured.start_workers("one")
        compute = Compute(
            address=secured.address,
            tls_ca=str(certificate),
            tls_cert=certificate.read_text(),
            tls_key=SecretStr(key.read_text()),
        )
        job = write_job(hidden, server, s3, compute, SLOW, files=3)
        said = job.run()
        assert job.output == "0\n1\n2\n"
        everything = [path.read_bytes() for path in job.directory.rglob("*") if path.is_file()]
        body = key.read_text().splitlines()[5].encode()
        assert not any(body in content for content in [*everything, said.encode()])

        Compute(address=secured.address).save(job.datastore, overwrite=True)
        said = job.pipeline.run(expect=1)
        assert f"no Dask cluster: {secured.address}" in said
    finally:
        secured.close()


def test_nodes_with_a_network_of_their_own(
    tmp_path: Path, hidden: Path, server: str, s3: Store
) -> None:
    with ExitStack() as stack:
        try:
            cable = stack.enter_context(network())
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"network namespaces are not allowed here: {error}")
        far = Cluster(tmp_path, hidden, host=cable.here, prefix=cable.prefix)
        stack.callback(far.close)
        far.start_scheduler()
        far.start_workers("one", "two")
        endpoint = cable.offer(s3.options["client_kwargs"]["endpoint_url"])
        store = Store(s3.url, {**s3.options, "client_kwargs": {"endpoint_url": endpoint}})
        compute = Compute(address=far.address)
        job = write_job(hidden, cable.offer(server), store, compute, SLOW, files=8)
        job.run()
        assert job.output == "".join(f"{number}\n" for number in range(8))
        assert job.result["nodes"] == 2
        addresses = far.addresses()
        assert all(cable.there in address for address in addresses.values())
