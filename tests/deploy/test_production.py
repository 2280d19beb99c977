"""As in production: a server on PostgreSQL, a process worker, and deployments that it runs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from tests.committed import committed
from tests.deploy import postgres
from tests.deploy.conftest import Api, started
from tests.e2e.conftest import write_pipeline
from tests.remote.conftest import free_port
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
IRIS = ROOT / "examples" / "iris_batch_prediction"
POOL = "night shift"

QUICK = {
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "1",
    # Else runs are made for an hour ahead, and all of them deleted when the schedule is paused.
    "PREFECT_SERVER_SERVICES_SCHEDULER_MIN_SCHEDULED_TIME": "PT10S",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_RUNNER_POLL_FREQUENCY": "1",
}

SCRIPT = """
    import argparse, pathlib, time
    parser = argparse.ArgumentParser()
    parser.add_argument("--word")
    parser.add_argument("--notes")
    known, _ = parser.parse_known_args()
    notes = pathlib.Path(known.notes)
    MEETING = ("early", "late")

    def init(): pass

    def run(mini_batch):
        name = pathlib.Path(mini_batch[0]).name
        with (notes / known.word).open("a") as file:
            file.write(f"{name}\\n")
        # Each of the two runs until the other one does.
        while known.word in MEETING and not all((notes / word).exists() for word in MEETING):
            time.sleep(0.05)
        if known.word == "sleep":
            time.sleep(600)
        if known.word == "fail" and name == "002.txt" and not (notes / "mended").exists():
            raise ValueError("not yet")
        return [f"{known.word} {name}"]
"""


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    if why := postgres.missing():
        pytest.skip(why)
    # PostgreSQL's user must get there; pytest's folders are the user's alone.
    folder = Path("/tmp") / f"prefect-parallel-{free_port()}"
    folder.mkdir(mode=0o755)
    database = folder / "database"
    database.mkdir()
    port = free_port()
    api = Api(
        f"http://127.0.0.1:{port}/api",
        tmp_path_factory.mktemp("production"),
        {**QUICK, "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))},
    )
    try:
        with postgres.postgres(database) as url:
            server = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": url}
            command = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
            with started(api, command, server) as process:
                wait_until(lambda: is_healthy(api, process))
                api.make_pool(POOL)
                # A machine with few cores has enough to do with these.
                limit = {"concurrency_limit": 3}
                httpx.patch(f"{api.url}/work_pools/{POOL}", json=limit, timeout=240)
                with started(api, ["prefect", "worker", "start", "--pool", POOL], {}):
                    wait_until(lambda: api.get(f"work_pools/{POOL}")["status"] == "READY")
                    yield api
    finally:
        shutil.rmtree(folder)


def is_healthy(api: Api, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, (api.folder / "server.log").read_text()
    try:
        return httpx.get(f"{api.url}/health").is_success
    except httpx.TransportError:
        return False


def step_of(runs: Path, run: str, step: str) -> Path:
    [directory] = runs.glob(f"*-{run[-8:]}")
    return directory / "steps" / step


class Nightly:
    """A deployment of a pipeline with a parameter, made once; its code is gone since."""

    def __init__(self, api: Api, folder: Path) -> None:
        self.api = api
        self.notes = folder / "notes"
        self.notes.mkdir()
        it = write_pipeline(
            folder,
            api.url,
            SCRIPT,
            mini_batch_error_threshold=0,
            retry_settings={"max_retries": 0, "timeout": 600},
            arguments="--word ${{inputs.word}} --notes ${{inputs.notes}}",
        )
        job = yaml.safe_load(it.file.read_text())
        job["inputs"] = {"word": "hello", "notes": str(self.notes)}
        bound = {name: f"${{{{parent.inputs.{name}}}}}" for name in job["inputs"]}
        job["jobs"]["step"]["inputs"].update(bound)
        it.file.write_text(yaml.safe_dump(job))
        said = api.command("deploy", it.file, "--name", "nightly", "--output-dir", folder / "runs")
        assert "No worker polls" not in said
        self.runs = folder / "runs"
        self.id = api.deployment("a test", "nightly")["id"]
        shutil.rmtree(it.folder / "code")

    def start(self, word: str) -> str:
        run = self.api.post(f"deployments/{self.id}/create_flow_run", parameters={"word": word})
        return str(run["id"])

    def state(self, run: str) -> str:
        return str(self.api.get(f"flow_runs/{run}")["state"]["type"])

    def wait(self, run: str, state: str) -> Any:
        def ended() -> bool:
            found = self.state(run)
            assert found in (state, "SCHEDULED", "PENDING", "RUNNING", "CANCELLING"), found
            return found == state

        wait_until(ended)
        return self.api.get(f"flow_runs/{run}")

    def step(self, run: str) -> Path:
        return step_of(self.runs, run, "step")

    def output(self, run: str) -> list[str]:
        return (self.step(run) / "outputs/out").read_text().splitlines()

    def noted(self, word: str) -> list[str]:
        file = self.notes / word
        return file.read_text().split() if file.exists() else []


@pytest.fixture(scope="module")
def nightly(production: Api, tmp_path_factory: pytest.TempPathFactory) -> Nightly:
    return Nightly(production, tmp_path_factory.mktemp("nightly"))


def processes_of(run: str) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PREFECT__FLOW_RUN_ID") == run:
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def test_the_iris_example_runs_three_times_on_its_schedule(production: Api) -> None:
    runs = production.folder / "iris runs"
    production.command(
        *("deploy", IRIS / "pipeline.yml", "--name", "often", "--interval", "5"),
        *("--output-dir", runs),
    )
    deployment = production.deployment("iris-batch-prediction-using-parallel", "often")

    def of_type(*states: str) -> list[Any]:
        found = production.post(
            "flow_runs/filter",
            deployments={"id": {"any_": [deployment["id"]]}},
            flow_runs={"state": {"type": {"any_": states}}},
        )
        assert all(run["auto_scheduled"] for run in found)
        return list(found)

    wait_until(lambda: len(of_type("PENDING", "RUNNING", "COMPLETED")) >= 3)
    production.delete(
        f"deployments/{deployment['id']}/schedules/{deployment['schedules'][0]['id']}"
    )
    for late in of_type("SCHEDULED"):
        production.delete(f"flow_runs/{late['id']}")
    wait_until(lambda: not of_type("PENDING", "RUNNING"), seconds=480)
    completed = of_type("COMPLETED")
    assert len(completed) >= 3
    assert not of_type("FAILED", "CRASHED")
    steps = [step_of(runs, run["id"], "batch_prediction") for run in completed]
    outputs = {(step / "outputs/job_output_file").read_text() for step in steps}
    assert [len(output.splitlines()) for output in outputs] == [150]


def test_two_runs_with_other_parameters_at_the_same_time(nightly: Nightly) -> None:
    first, second = nightly.start("early"), nightly.start("late")
    for run in (first, second):
        nightly.wait(run, "COMPLETED")
    for run, word in ((first, "early"), (second, "late")):
        assert nightly.output(run) == [f"{word} {number:03d}.txt" for number in range(4)]


def test_a_retry_from_the_api_does_only_what_is_missing(nightly: Nightly) -> None:
    run = nightly.start("fail")
    nightly.wait(run, "FAILED")
    wait_until(lambda: not processes_of(run))
    assert nightly.noted("fail").count("002.txt") == 1
    # Those that the failure has ended are missing, too.
    before = {f"{record.index:03d}.txt" for record in committed(nightly.step(run))}
    (nightly.notes / "mended").touch()
    retry = {"type": "SCHEDULED", "name": "AwaitingRetry"}
    nightly.api.post(f"flow_runs/{run}/set_state", state=retry)
    ended = nightly.wait(run, "COMPLETED")
    assert ended["run_count"] == 2
    assert nightly.output(run) == [f"fail {number:03d}.txt" for number in range(4)]
    assert nightly.noted("fail").count("002.txt") == 2
    assert all(nightly.noted("fail").count(name) == 1 for name in before - {"002.txt"})


def test_a_cancel_from_the_api_leaves_no_process(nightly: Nightly) -> None:
    run = nightly.start("sleep")
    wait_until(lambda: nightly.noted("sleep"))
    assert processes_of(run)
    nightly.api.post(f"flow_runs/{run}/set_state", state={"type": "CANCELLING"})
    nightly.wait(run, "CANCELLED")
    wait_until(lambda: not processes_of(run))
