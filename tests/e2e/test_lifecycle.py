"""How runs start, side by side, and end: interrupted, killed, or with nothing that succeeded."""

from __future__ import annotations

import signal
import socket
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from prefect_parallel.flow.run_directories.runs import Runs
from tests.e2e.conftest import interrupt
from tests.waiting import wait_until

WORKS = "def init(): pass\ndef run(mini_batch): return mini_batch\n"

SLEEPS = """
    import time
    def init(): pass
    def run(mini_batch):
        open("started", "w").close()
        time.sleep(600)
        return mini_batch
"""


def flow_run(server: str, run: str) -> Any:
    return httpx.get(f"{server}/flow_runs/{run}", timeout=60).json()


def subflows(server: str, run: str) -> Any:
    wanted = {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}}
    return httpx.post(f"{server}/flow_runs/filter", json=wanted, timeout=60).json()


def test_two_runs_of_one_name_are_numbered(tmp_path: Path) -> None:
    runs = Runs.at(tmp_path / "runs")
    names = [runs.reserve("scores-1").directory.root.name for _ in range(3)]
    assert names == ["scores-1", "scores-1-2", "scores-1-3"]


@pytest.mark.parametrize("body", ["raise ValueError('bad file')", "pass", "yield from ()"])
def test_a_step_in_which_nothing_succeeds_has_failed(pipeline: Any, body: str) -> None:
    it = pipeline(f"def init(): pass\ndef run(mini_batch):\n    {body}\n", files=2)
    said = it.call(expect="Failed")
    assert "Failed  step: no mini-batch succeeded" in said
    assert it.result["reason"].startswith("no mini-batch succeeded; the first failure: ")
    assert it.result["status"] == "Failed"
    assert not it.output.exists()


def test_steps_side_by_side_start_one_after_another(pipeline: Any, server: str) -> None:
    it = pipeline("")
    place = it.folder / "started"
    place.mkdir()
    # Each runs until all have started.
    step = {
        "type": "command",
        "command": 'mktemp "$PLACE/XXXX"; until [ $(ls "$PLACE" | wc -l) = 8 ]; do sleep 0.1; done',
        "environment": "azureml:any:1",
        "environment_variables": {"PLACE": str(place)},
        "limits": {"timeout": 180},
    }
    it.file.write_text(
        yaml.safe_dump({"type": "pipeline", "jobs": {f"s{n}": step for n in range(8)}})
    )
    it.call()
    runs = sorted(subflows(server, str(it.flow_run)), key=lambda run: run["created"])
    assert len(runs) == 8
    created, started = (
        [datetime.fromisoformat(run[key].replace("Z", "+00:00")) for run in runs]
        for key in ("created", "start_time")
    )
    assert all(before < after for before, after in zip(started, created[1:], strict=False))


@pytest.mark.parametrize("way", ["SIGKILL", "Ctrl-C twice"])
def test_the_flow_runs_of_a_killed_run_are_crashed_when_it_is_resumed(
    pipeline: Any, server: str, way: str
) -> None:
    it = pipeline(SLEEPS, files=1)
    process = it.start()
    wait_until(lambda: list(it.folder.rglob("started")))
    before = str(it.flow_run)
    if way == "Ctrl-C twice":
        interrupt(process)
        process.send_signal(signal.SIGINT)
    else:
        process.kill()
    process.communicate(timeout=240)
    wait_until(lambda: not it.left_over())
    assert [run["state_type"] for run in subflows(server, before)] == ["RUNNING"]
    (it.folder / "code/script.py").write_text(WORKS)
    process = it.start("--resume", "run")
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert str(it.flow_run) != before
    assert flow_run(server, before)["state_type"] == "CRASHED"
    assert [run["state_type"] for run in subflows(server, before)] == ["CRASHED"]


def test_ctrl_c_while_inputs_are_checked(pipeline: Any) -> None:
    it = pipeline(WORKS)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/data"
        it.change("jobs.step.inputs.files.path", url)
        process = it.start()
        silent.settimeout(240)
        connection, _ = silent.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=240)
    assert process.returncode == 1, said
    assert said.strip().splitlines()[-1].startswith("Canceled"), said
    assert "Traceback" not in said
    assert not it.left_over()
    assert not (it.folder / "runs/run").exists()
