"""Slurm: Dask workers as its jobs, and workers without a network as a job array."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from prefect_parallel.blocks import Compute
from prefect_parallel.output.run_result import RunResult
from tests.cluster.slurm import Slurm, running_slurm, why_not
from tests.e2e.conftest import Pipeline, write_pipeline
from tests.waiting import wait_until

DOCS = Path(__file__).parents[2] / "docs" / "clusters.md"

SCRIPT = """
    import os, time
    def init(): pass
    def run(mini_batch):
        print("runs")
        while not os.path.exists(os.environ["GO"]):
            time.sleep(0.05)
        return [os.path.basename(path).upper() for path in mini_batch]
"""

FILES = 30
EXPECTED = "".join(f"{number:03d}.TXT\n" for number in range(FILES))


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    with running_slurm(tmp_path_factory.mktemp("slurm")) as it:
        yield it


@pytest.fixture
def on_slurm(tmp_path: Path, server: str, slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Factory of pipelines whose step is on a cluster of Slurm jobs, each with one slot."""
    for name, value in {**slurm.environment, "PREFECT_API_URL": server}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

    def write(**adapt: int) -> Pipeline:
        name = f"slurm-{uuid4().hex}"
        Compute(
            cluster_class="dask_jobqueue.SLURMCluster",
            cluster_kwargs={
                "cores": 1,
                "memory": "1GB",
                "walltime": "00:10:00",
                "log_directory": str(tmp_path),
                "worker_extra_args": ["--no-dashboard"],
                "scheduler_options": {"host": "127.0.0.1", "dashboard_address": None},
            },
            adapt_kwargs=adapt or None,
        ).save(name)
        settings = {
            "compute": f"azureml:{name}",
            "resources": {"instance_count": 2},
            "retry_settings": {"max_retries": 0, "timeout": 600},
            "environment_variables": {"GO": str(tmp_path / "go")},
        }
        return write_pipeline(tmp_path, server, SCRIPT, files=FILES, **settings)

    return write


def test_a_job_reaches_its_time_limit_and_others_take_over(slurm: Slurm, on_slurm: Any) -> None:
    it = on_slurm(minimum=1, maximum=2)
    process = it.start()
    wait_until(lambda: len(slurm.jobs("RUNNING")) == 2 or process.poll() is not None)
    it.wait_for("runs", 4)
    first = min(slurm.jobs("RUNNING"), key=int)
    slurm.ask("scontrol", "update", f"JobId={first}", "EndTime=now+1")
    wait_until(lambda: slurm.jobs("TIMEOUT") == [first])
    (it.folder.parent / "go").touch()
    said, _ = process.communicate(timeout=480)
    assert process.returncode == 0, said
    assert it.output.read_text() == EXPECTED
    wait_until(lambda: slurm.jobs() == [])


def test_a_run_that_is_canceled_leaves_no_job(slurm: Slurm, on_slurm: Any) -> None:
    it = on_slurm()
    process = it.start()
    wait_until(lambda: (it.step.exists() and "runs" in it.said()) or process.poll() is not None)
    wait_until(lambda: len(slurm.jobs()) == 2)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=480)
    assert (process.returncode, "Canceled" in said) == (1, True), said
    wait_until(lambda: slurm.jobs() == [])


def test_the_job_array_of_the_docs(slurm: Slurm, on_slurm: Any) -> None:
    it = on_slurm()
    (it.folder.parent / "go").touch()
    it.run("--workers", "0")
    section = DOCS.read_text().partition("## Workers without a network")[2]
    (script,) = re.findall(r"```bash\n(#!.*?)```", section, re.DOTALL)
    (submit,) = re.findall(r"```bash\n(job=.*?)```", section, re.DOTALL)
    (it.folder / "work.sh").write_text(script)
    root = it.folder / "runs" / "run"
    link = it.folder.parent / "run"
    link.symlink_to(root)
    # Two of the twenty tasks: each takes a second to start.
    submit = submit.replace("/shared/runs/monday", str(link)).replace("--parsable", "$0")
    slurm.ask("bash", "-ec", submit, "--parsable --array=1-2", cwd=it.folder)
    result = root / "result.yml"
    wait_until(lambda: result.exists() and RunResult.read(result).status == "Completed")
    assert it.output.read_text() == EXPECTED
    assert it.result["mini_batches"]["succeeded"] == FILES
