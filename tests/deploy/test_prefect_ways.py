"""Prefect's own ways: `prefect deploy` with this repository's prefect.yaml, and `serve`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prefect_parallel import compile_pipeline
from prefect_parallel.flow.deployable_flow import NotAtTopLevel
from tests.committed import committed
from tests.deploy.conftest import Api, started
from tests.e2e.conftest import write_pipeline
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
IRIS = ROOT / "examples" / "iris_batch_prediction"


def completed(api: Api, run: str) -> Any:
    def ended() -> Any:
        found = api.get(f"flow_runs/{run}")
        assert found["state"]["type"] not in ("FAILED", "CRASHED"), found["state"]["message"]
        return found["state"]["type"] == "COMPLETED" and found

    return wait_until(ended)


@pytest.fixture
def local(api: Api) -> Iterator[str]:
    """The work pool that prefect.yaml names, for this test only."""
    api.make_pool("local")
    yield "local"
    api.delete("work_pools/local")


def test_the_flows_are_deployed_by_prefects_command(api: Api, local: str) -> None:
    repository = api.folder / "a clone"
    repository.mkdir()
    for name in ("flows", "examples", "prefect.yaml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, repository / name)
    clone = Api(api.url, repository, api.variables)
    clone.program("prefect", "--no-prompt", "deploy", "--all")
    nightly = api.deployment("iris-batch-prediction-using-parallel", "nightly")
    assert [each["schedule"]["cron"] for each in nightly["schedules"]] == ["0 2 * * *"]
    weekly = api.deployment("many-models-using-parallel", "weekly")
    assert weekly["parameters"] == {"holdout_weeks": 4}
    assert weekly["parameter_openapi_schema"]["properties"]["holdout_weeks"]["type"] == "integer"

    run = api.post(f"deployments/{nightly['id']}/create_flow_run")["id"]
    worker = ["prefect", "worker", "start", "--pool", local, "--run-once"]
    clone.program(*worker)
    completed(api, run)
    [output] = (repository / "runs").glob("*/steps/batch_prediction/outputs/job_output_file")
    assert len(output.read_text().splitlines()) == 150


def test_a_flow_is_served(api: Api) -> None:
    (api.folder / "night.py").write_text(
        f"""
from prefect_parallel import compile_pipeline

scores = compile_pipeline({str(IRIS / "pipeline.yml")!r}, output_dir="my runs")

if __name__ == "__main__":
    scores.serve("served", cron="30 2 * * *")
"""
    )
    flow = "iris-batch-prediction-using-parallel"
    with started(api, [sys.executable, "night.py"], {}):
        made = wait_until(lambda: api.find_deployment(flow, "served"))
        assert made["entrypoint"] == "night.py:scores"
        assert [each["schedule"]["cron"] for each in made["schedules"]] == ["30 2 * * *"]
        completed(api, api.post(f"deployments/{made['id']}/create_flow_run")["id"])
    assert list((api.folder / "my runs").glob("*/steps/batch_prediction/outputs/job_output_file"))


@pytest.mark.parametrize("served", [True, False])
def test_a_function_is_served_and_deployed(api: Api, local: str, *, served: bool) -> None:
    project = api.folder / f"project {served}"
    elsewhere = api.folder / f"elsewhere {served}"
    project.mkdir()
    elsewhere.mkdir()
    (project / "rate.py").write_text("RATE = 2\n")
    (project / "job.py").write_text(
        """
import pandas as pd
from rate import RATE
from prefect_parallel import parallel


@parallel(mini_batch_size=2)
def double(rows: pd.DataFrame) -> pd.DataFrame:
    return rows * RATE


nightly = double.as_flow("numbers.csv", output="doubled.csv", name="nightly")

if __name__ == "__main__":
    nightly.serve("job", tags=["a tag"])
"""
    )
    (project / "numbers.csv").write_text("n\n1\n2\n3\n")
    here, there = (Api(api.url, folder, api.variables) for folder in (project, elsewhere))

    def run() -> str:
        made = wait_until(lambda: api.find_deployment("nightly", "job"))
        assert set(made["parameter_openapi_schema"]["properties"]) == {
            "data",
            "output",
            "overwrite",
        }
        parameters = {"output": f"{served}.csv"}
        return api.post(f"deployments/{made['id']}/create_flow_run", parameters=parameters)["id"]

    if served:
        with started(here, [sys.executable, "job.py"], {}):
            flow_run = run()
            completed(api, flow_run)
    else:
        deploy = f"""
from prefect import flow
flow.from_source({str(project)!r}, "job.py:nightly").deploy("job", work_pool_name={local!r})
"""
        there.program(sys.executable, "-c", deploy)
        flow_run = run()
        there.program("prefect", "worker", "start", "--pool", local, "--run-once")
        completed(api, flow_run)
        assert not list(elsewhere.iterdir())
    output, of_run = project / f"{served}.csv", {"flow_run_id": {"any_": [flow_run]}}
    assert output.read_text().split() == ["n", "2", "4", "6"]
    wait_until(
        lambda: (
            f"output: {output}"
            in [line["message"] for line in api.post("logs/filter", logs=of_run)]
        )
    )


def test_a_termination_that_reschedules_is_no_cancellation(api: Api, local: str) -> None:
    it = write_pipeline(
        api.folder,
        api.url,
        """
        import pathlib, time
        def init(): pass
        def run(mini_batch):
            (pathlib.Path(mini_batch[0]).parents[1] / "started").touch()
            time.sleep(600)
        """,
        retry_settings={"max_retries": 0, "timeout": 600},
    )
    runs = api.folder / "runs"
    api.command("deploy", it.file, "--name", "evicted", "--work-pool", local, "--output-dir", runs)
    deployment = api.deployment("a test", "evicted")["id"]
    run = api.post(f"deployments/{deployment}/create_flow_run")["id"]
    behavior = {"PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR": "reschedule"}
    with started(api, ["prefect", "flow-run", "execute", run], behavior) as process:
        wait_until((it.folder / "started").exists)
        process.terminate()
        process.wait(timeout=240)
    assert api.get(f"flow_runs/{run}")["state"]["name"] == "AwaitingRetry"
    [result] = runs.glob("*/steps/step/logs/job_result.txt")
    assert "status: Canceled" in result.read_text()


def test_a_run_that_is_suspended_ends_and_is_resumed(api: Api, local: str) -> None:
    it = write_pipeline(
        api.folder,
        api.url,
        """
        import pathlib, time
        def init(): pass
        def run(mini_batch):
            file = pathlib.Path(mini_batch[0])
            go = file.parents[1] / "go"
            while file.name > "001.txt" and not go.exists():
                time.sleep(0.05)
            return [file.name]
        """,
        retry_settings={"max_retries": 0, "timeout": 600},
    )
    runs = api.folder / "runs"
    api.command("deploy", it.file, "--name", "held", "--work-pool", local, "--output-dir", runs)
    deployment = api.deployment("a test", "held")["id"]
    run = api.post(f"deployments/{deployment}/create_flow_run")["id"]
    with started(api, ["prefect", "flow-run", "execute", run], {}) as process:
        wait_until(lambda: sum(len(committed(step)) for step in runs.glob("*/steps/step")) == 2)
        suspended = {"type": "PAUSED", "name": "Suspended"}
        details = {"pause_reschedule": True}
        answer = api.post(
            f"flow_runs/{run}/set_state", state={**suspended, "state_details": details}
        )
        assert answer["status"] == "ACCEPT", answer
        process.wait(timeout=240)
    assert api.get(f"flow_runs/{run}")["state"]["name"] == "Suspended"
    [result] = runs.glob("*/steps/step/logs/job_result.txt")
    assert "reason: the run was suspended" in result.read_text()
    (it.folder / "go").touch()
    assert api.post(f"flow_runs/{run}/resume")["status"] == "ACCEPT"
    with started(api, ["prefect", "flow-run", "execute", run], {}) as process:
        process.wait(timeout=240)
    assert api.get(f"flow_runs/{run}")["state"]["name"] == "Completed"
    assert "2 of 4 mini-batches are reused" in result.read_text()
    [output] = runs.glob("*/steps/step/outputs/out")
    assert output.read_text().count("\n") == 4


def test_a_flow_that_no_file_names_is_not_deployed() -> None:
    flow = compile_pipeline(IRIS / "pipeline.yml")
    with pytest.raises(NotAtTopLevel, match="top level"):
        flow.to_deployment("nowhere")
