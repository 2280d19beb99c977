"""What the command shows in a terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import COMMAND, Pipeline
from tests.waiting import wait_until

COLUMNS = 80
NONE_FAILED = "0/4 mini-batches"
TWO_FAILED = r"2/4 mini-batches, 2 failed, \d"
IGNORING_HANGUP = ("sh", "-c", 'trap "" HUP; exec "$@"', "sh")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def shown_in_terminal(
    it: Pipeline, *arguments: str, then: Mapping[str, Callable[[subprocess.Popen[bytes]], None]]
) -> str:
    """All that a command writes to a terminal of 80 columns, without escape sequences.

    `then` has functions that are called as soon as a pattern is found in it.
    """
    waiting = dict(then)
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=it.folder,
        env={**it.environment, "TERM": "xterm", "COLUMNS": str(COLUMNS)},
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    with contextlib.suppress(OSError):  # The other end is closed.
        while True:
            written += os.read(ours, 65536)
            text = ESCAPES.sub("", written.decode(errors="replace"))
            for pattern in [each for each in waiting if re.search(each, text)]:
                waiting.pop(pattern)(process)
    os.close(ours)
    process.wait(timeout=240)
    return ESCAPES.sub("", written.decode())


def test_a_failing_run_in_a_terminal(pipeline: Any, tmp_path: Path) -> None:
    it: Pipeline = pipeline(
        """
        import os, time
        def init(): time.sleep(0.6)
        def run(mini_batch):
            shown = "two failed" if os.path.basename(mini_batch[0]) > "002" else "none failed"
            while not os.path.exists(os.path.join(os.environ["PLACE"], shown)):
                time.sleep(0.05)
            raise ValueError(f"{mini_batch[0]} is bad" + " and so on" * 40)
        """,
        mini_batch_error_threshold=2,
        environment_variables={"PLACE": str(tmp_path)},
    )
    shown = shown_in_terminal(
        *(it, "run", "pipeline.yml", "--name", "run"),
        then={
            NONE_FAILED: lambda _: (tmp_path / "none failed").touch(),
            TWO_FAILED: lambda _: (tmp_path / "two failed").touch(),
        },
    )

    lines = [line.strip() for line in re.split(r"[\r\n]+", shown)]
    assert lines[0] == "starting a test: 1 step, in runs/run"
    assert any(re.search(rf"^\S step .* {NONE_FAILED}$", line) for line in lines), lines
    assert re.search(TWO_FAILED, shown)
    assert any(line.endswith("waiting for step: the Dask cluster") for line in lines)
    assert "Traceback" not in shown
    assert "telemetry" not in shown
    # Nothing is cut off, and there is no rate before there is one.
    assert not [line for line in lines if "/4 mini-b" in line and line.endswith("…")]
    assert not re.search(r"\b0 files/", shown)
    # Once shortened, when it occurs, and once in the result.
    assert len(re.findall(r"\.txt is bad", shown)) == 2
    assert len(re.findall(r" (?:and|so|on) \.\.\.", shown)) == 1
    links = re.findall(r"http://\S+", shown)
    assert links == [f"{it.server.removesuffix('/api')}/runs/flow-run/{it.flow_run}"] * 2
    assert lines[-2:] == ["resume  the same command with --resume run", ""]


def test_ctrl_c_twice_in_a_terminal(pipeline: Any) -> None:
    it: Pipeline = pipeline("""
        import time
        def run(mini_batch): time.sleep(600)
    """)

    def press_ctrl_c(process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGINT)

    shown = shown_in_terminal(
        *(it, "run", "pipeline.yml", "--name", "run"),
        then={NONE_FAILED: press_ctrl_c, "canceling  running": press_ctrl_c},
    )
    assert shown.count("canceling  running mini-batches and commands have 5 s to finish;") == 1
    assert shown.count("Canceled  interrupted") == 1
    assert not (it.step / "logs" / "job_result.txt").exists(), "it was not ended at once"
    wait_until(lambda: it.left_over() == [])


def test_a_reader_that_leaves(pipeline: Any) -> None:
    it: Pipeline = pipeline("""
        def run(mini_batch):
            print("much " * 100_000)
            return mini_batch
    """)

    def first_line(*arguments: str) -> tuple[str, int, str]:
        """What `| head -1` shows, the exit status, and what was written to standard error."""
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=it.folder,
            env=it.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        shown = process.stdout.readline()
        process.stdout.close()
        _, errors = process.communicate(timeout=240)
        return shown, process.returncode, errors

    shown, status, errors = first_line("run", "pipeline.yml", "--name", "run")
    assert (shown, status, errors) == ("starting a test: 1 step, in runs/run\n", 0, "")
    assert it.result["status"] == "Completed"
    assert (it.folder / "runs" / "run" / "logs" / "report.html").exists()
    for arguments in (["logs", "run"], ["plan", "pipeline.yml"], ["schema"], ["runs"]):
        shown, status, errors = first_line(*arguments)
        assert shown
        assert (status in (0, 1), errors) == (True, "")


@pytest.mark.parametrize("launcher", [(), ("nohup",), IGNORING_HANGUP])
def test_a_terminal_that_is_closed_cancels_the_run_unless_it_is_to_go_on(
    pipeline: Any, tmp_path: Path, launcher: Sequence[str]
) -> None:
    it: Pipeline = pipeline(
        """
        import os, time
        def init(): pass
        def run(mini_batch):
            print("running")
            while not os.path.exists(os.environ["PLACE"] + "/go"):
                time.sleep(0.05)
            return mini_batch
        """,
        environment_variables={"PLACE": str(tmp_path)},
    )
    # The leader of a session with a terminal gets SIGHUP when that is closed.
    driver, terminal = pty.fork()
    if driver == 0:
        os.chdir(it.folder)
        # These tests may have been started with nohup.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        command = [*launcher, *COMMAND, "run", "pipeline.yml", "--name", "run"]
        os.execvpe(command[0], command, it.environment)
    it.wait_for("running", 2)
    os.close(terminal)
    if launcher:
        (tmp_path / "go").touch()
    _, status = os.waitpid(driver, 0)
    assert os.waitstatus_to_exitcode(status) == (0 if launcher else 1)
    assert it.result["status"] == ("Completed" if launcher else "Canceled")
    wait_until(lambda: it.left_over() == [])
