"""`prefect-parallel logs`, of runs that have ended and of running ones."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import COMMAND, Pipeline, write_pipeline
from tests.waiting import wait_until


def logs(it: Pipeline, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "logs", "run", *arguments],
        cwd=it.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, server: str) -> Pipeline:
    it = write_pipeline(
        tmp_path_factory.mktemp("logs"),
        server,
        """
        import os, sys
        def init(): print("hello from", os.getpid())
        def run(mini_batch):
            print("oh", file=sys.stderr)
            if "002" in mini_batch[0]: raise ValueError("bad file")
            return mini_batch
        """,
    )
    it.call()
    return it


def test_of_all_processes_of_one_and_of_what_failed(finished: Pipeline) -> None:
    every = logs(finished, "--step", "step")
    assert every.returncode == 0
    assert every.stdout.count("hello from") == len(
        list((finished.step / "logs" / "user" / "stdout" / "node-0").iterdir())
    )
    assert every.stdout.count("oh\n") == 4
    stdout = "runs/run/steps/step/logs/user/stdout/node-0/process000.stdout.txt"
    assert every.stdout.startswith(f"==> {stdout} <==\nhello from ")
    one = logs(finished, "--process", "process000").stdout
    assert logs(finished, "--process", "node-0/process000").stdout == one
    assert one.count("hello from") == 1
    failed = logs(finished, "--failed").stdout
    assert 'raise ValueError("bad file")' in failed
    assert "hello" not in failed


def test_nothing_more_comes_of_a_run_that_is_over(finished: Pipeline) -> None:
    assert logs(finished, "--follow").stdout == logs(finished).stdout
    # As if its driver had been killed, before there was a result.
    result = finished.step / "logs" / "job_result.txt"
    text = result.read_text()
    result.unlink()
    assert logs(finished, "--follow").stdout == logs(finished).stdout
    result.write_text(text)


def test_what_is_not_there(finished: Pipeline) -> None:
    step = logs(finished, "--step", "stop")
    assert step.returncode == 1
    assert "step stop of runs/run has no logs" in step.stderr
    assert "hint: did you mean step?" in step.stderr
    process = logs(finished, "--process", "process9")
    assert process.returncode == 1
    assert "process process9 has no logs\n    allowed: node-0/process000" in process.stderr
    assert "Traceback" not in step.stderr + process.stderr


def test_follows_until_the_step_has_ended(pipeline: Any, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    it: Pipeline = pipeline(
        f"""
        import os, time
        def init(): pass
        def run(mini_batch):
            print("before", os.path.basename(mini_batch[0]))
            while not os.path.exists({str(gate)!r}): time.sleep(0.05)
            print("after", os.path.basename(mini_batch[0]))
            return mini_batch
        """
    )
    run = it.start()
    it.wait_for("before", 2)
    said = tmp_path / "said.txt"
    with said.open("wb") as file:
        follower = subprocess.Popen(
            [*COMMAND, "logs", "run", "--follow"],
            cwd=it.folder,
            stdout=file,
        )
    wait_until(lambda: said.read_text().count("before") == 2)
    assert "after" not in said.read_text()
    gate.touch()
    assert follower.wait(timeout=240) == 0
    run.communicate(timeout=240)
    lines = [line for line in said.read_text().splitlines() if line.startswith(("before", "after"))]
    assert sorted(lines) == sorted(
        f"{when} {number:03d}.txt" for when in ("before", "after") for number in range(4)
    )


def test_a_log_is_named_only_if_it_exists(pipeline: Any) -> None:
    it: Pipeline = pipeline("")
    step = {
        "type": "command",
        "command": "cat ${{inputs.x}}",
        "environment": "azureml:any:1",
        "inputs": {"x": {"type": "uri_file", "path": "http://127.0.0.1:1/x"}},
    }
    it.change("jobs", {"fetching": step})
    said = it.call(expect="Failed")
    assert "127.0.0.1:1/x" in said
    assert "  log  " not in said


def test_a_reader_that_has_seen_enough(finished: Pipeline) -> None:
    # The last of those that share this run: it changes a log.
    large = finished.step / "logs" / "user" / "stdout" / "node-0" / "process000.stdout.txt"
    large.write_text("x\n" * 5_000_000)
    command = f"{' '.join(COMMAND)} logs run | head -n 2"
    done = subprocess.run(
        command, shell=True, cwd=finished.folder, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[1] == "x"
    assert done.stderr == ""
