"""Runs and steps that are canceled, suspended or paused on the Prefect server, by their ids."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled, Cancelling, Paused, State

from prefect_parallel import compile_pipeline
from tests.e2e.conftest import Pipeline, ask
from tests.waiting import wait_until

HELD = """
    import os, time
    def init(): pass
    def run(mini_batch):
        name = os.path.basename(mini_batch[0])
        while name > "001.txt" and not os.path.exists(os.environ["PLACE"] + "/go"):
            time.sleep(0.05)
        return [name]
"""

COMMAND = 'touch "$PLACE/$NAME"; until [ -e "$PLACE/go" ]; do sleep 0.1; done; '

PROCESS = {"step": "process_main", "beside": "touch"}
"""What is in the command lines of the processes of a step."""


def held(pipeline: Any, place: Path) -> Pipeline:
    """A parallel step, a command beside it, and one after each; all wait for a file "go"."""
    it: Pipeline = pipeline(HELD, environment_variables={"PLACE": str(place)})
    job = yaml.safe_load(it.file.read_text())
    for name, before in (
        ("beside", ""),
        ("after_step", "step.outputs.out"),
        ("last", "beside.outputs.out"),
    ):
        step = {
            "type": "command",
            "command": COMMAND + "touch ${{outputs.out}}",
            "outputs": {"out": {"type": "uri_file"}},
            "environment": "azureml:any:1",
            "environment_variables": {"PLACE": str(place), "NAME": name},
        }
        if before:
            step["inputs"] = {"before": {"path": f"${{{{parent.jobs.{before}}}}}"}}
        job["jobs"][name] = step
    job["settings"] = {"continue_on_step_failure": True}
    it.file.write_text(yaml.safe_dump(job, sort_keys=False))
    return it


def set_state(server: str, flow_run: UUID, state: State[Any]) -> None:
    with temporary_settings({PREFECT_API_URL: server}), get_client(sync_client=True) as client:
        result = client.set_flow_run_state(flow_run, state)
    assert result.status.value == "ACCEPT", result.details


def state_of(server: str, flow_run: UUID) -> str:
    with temporary_settings({PREFECT_API_URL: server}), get_client(sync_client=True) as client:
        return str(client.read_flow_run(flow_run).state_name)


def step_runs(it: Pipeline) -> dict[str, UUID]:
    """The flow runs of the steps that have started, by name."""
    parent = {"parent_flow_run_id": {"any_": [str(it.flow_run)]}}
    return {
        each["name"]: UUID(each["id"])
        for each in ask(it.server, "flow_runs/filter", flow_runs=parent)
    }


def wait_for_both(it: Pipeline, place: Path) -> dict[str, UUID]:
    wait_until(lambda: len(it.committed()) == 2 and (place / "beside").exists())
    return step_runs(it)


@pytest.mark.parametrize("state", [Cancelling, Cancelled])
@pytest.mark.parametrize("step", ["step", "beside"])
def test_one_step_is_canceled(
    pipeline: Any, tmp_path: Path, server: str, step: str, state: type[State[Any]]
) -> None:
    it = held(pipeline, tmp_path)
    process = it.start()
    runs = wait_for_both(it, tmp_path)
    set_state(server, runs[step], state())
    wait_until(lambda: not any(PROCESS[step] in command for command in it.left_over()))
    wait_until(lambda: state_of(server, runs[step]) == "Cancelled")
    assert process.poll() is None, "the other step goes on"
    (tmp_path / "go").touch()
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 1, said
    assert f"Canceled  {step}: step {step} was canceled" in said
    result = yaml.safe_load((it.folder / "runs/run/result.yml").read_text())
    assert (result["status"], result["reason"]) == ("Canceled", f"step {step} was canceled")
    other, of_other = ("beside", "last") if step == "step" else ("step", "after_step")
    assert {name: each["status"] for name, each in result["steps"].items()} == {
        step: "Canceled",
        other: "Completed",
        of_other: "Completed",
    }
    assert it.left_over() == []
    assert "Completed  after_step" in it.call(resume=True)


@pytest.mark.parametrize("what", ["run", "step"])
def test_hooks_of_a_cancellation_are_called_once(
    pipeline: Any, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    it = held(pipeline, tmp_path)
    it.change("settings", None)
    called: list[str] = []

    def hook(_: Any, flow_run: Any, state: State[Any]) -> None:
        called.append(f"{flow_run.id} {state.name}: {state.message}")

    def broken(*_: Any) -> None:
        raise ValueError("a hook of the test")

    def cancel() -> None:
        runs = wait_for_both(it, tmp_path)
        set_state(server, it.flow_run if what == "run" else runs["step"], Cancelling())

    monkeypatch.setenv("PREFECT_API_URL", server)
    canceling = threading.Thread(target=cancel)
    with temporary_settings({PREFECT_API_URL: server}):
        flow = compile_pipeline(it.file, output_dir=it.folder / "runs", name="run")
        canceling.start()
        state: Any = flow.with_options(on_cancellation=[broken, hook])(return_state=True)
    canceling.join()
    reason = "the run was canceled" if what == "run" else "step step was canceled"
    assert called == [f"{it.flow_run} Cancelled: {reason}"]
    assert (state.name, state.message) == ("Cancelled", reason)
    assert state_of(server, it.flow_run) == "Cancelled"


def test_a_run_that_is_paused_goes_on_and_says_so(
    pipeline: Any, tmp_path: Path, server: str
) -> None:
    it = held(pipeline, tmp_path)
    process = it.start()
    runs = wait_for_both(it, tmp_path)
    for each in (it.flow_run, runs["beside"]):
        set_state(server, each, Paused(timeout_seconds=3600))
        wait_until(lambda each=each: state_of(server, each) == "Running")  # type: ignore[misc]
    (tmp_path / "go").touch()
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert said.count("the run was paused and goes on") == 1
    assert said.count("step beside was paused and goes on") == 1
