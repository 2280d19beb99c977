"""What a node on another machine runs on, and the secrets that it looks up itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_parallel.blocks import Compute
from tests.cluster.conftest import SECRET, Cluster, write_job
from tests.e2e.test_environment import OLD
from tests.remote.conftest import Store
from tests.uv import skip_without_index

SCRIPT = """
    import os
    import numpy
    def init(): pass
    def run(mini_batch): return [f"{numpy.__version__} {len(os.environ['TOKEN'])}"]
"""


POLITE = """
    from prefect.concurrency.sync import rate_limit
    def run(mini_batch):
        rate_limit("of-a-toy", strict=True)
        return mini_batch
"""


def test_processes_of_other_machines_share_the_limits_of_the_server(
    hidden: Path, server: str, s3: Store, cluster: Cluster
) -> None:
    # So slow to recover that it counts the calls, and so large that nothing waits.
    counting = GlobalConcurrencyLimitCreate(name="of-a-toy", limit=99, slot_decay_per_second=0.001)
    job = write_job(hidden, server, s3, Compute(address=cluster.address), POLITE, files=4)
    with temporary_settings({PREFECT_API_URL: server}), get_client(sync_client=True) as client:
        client.create_global_concurrency_limit(counting)
        job.run()
        assert client.read_global_concurrency_limit_by_name("of-a-toy").active_slots == 4


def test_nodes_build_it_and_look_up_secrets_themselves(
    hidden: Path, server: str, s3: Store, cluster: Cluster
) -> None:
    skip_without_index()
    with temporary_settings({PREFECT_API_URL: server}):
        Secret(value=SECRET).save("of-the-cluster", overwrite=True)
    job = write_job(hidden, server, s3, Compute(address=cluster.address), SCRIPT, files=2)

    def ask(written: dict[str, Any]) -> None:
        step = written["jobs"]["step"]
        step["environment_variables"] = {"TOKEN": "{{ prefect.blocks.secret.of-the-cluster }}"}
        # The data is on S3.
        conda = {"dependencies": [{"pip": [*OLD["dependencies"][-1]["pip"], "s3fs"]}]}
        step["task"]["environment"] = {"image": "any", "conda_file": conda}

    job.change(ask)
    job.run("--environment", "build")
    first, second = job.output.splitlines()
    assert first == second
    version, length = first.split()
    assert version.startswith("1.26.")
    assert length == str(len(SECRET))
    # Workers have a home of their own.
    assert list((cluster.folder / ".cache").rglob("environments/*/build.log")) != []
    for folder in (job.directory, cluster.folder, Path(os.environ["PREFECT_HOME"])):
        for path in folder.rglob("*"):
            assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
