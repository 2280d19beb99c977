"""Faults: killed drivers and nodes, silent jobs, full disks, lost servers, and resuming."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling

from prefect_parallel import compile_pipeline
from prefect_parallel.entry.spawner import Spawner
from prefect_parallel.flow.server import server_process
from prefect_parallel.flow.server.server import wait_until_healthy
from tests.conftest import copy_database
from tests.e2e.conftest import COMMAND, Pipeline, interrupt, nodes_of
from tests.remote.conftest import free_port
from tests.waiting import wait_until

WAITS = """
    # Every call leaves a line; those from 003 on wait until there is a file "go", or of their name.
    import os, time
    from pathlib import Path
    def init(): pass
    def run(mini_batch):
        name, place = os.path.basename(mini_batch[0]), Path(os.environ["PLACE"])
        with open(place / "calls.txt", "a") as calls:
            calls.write(name + "\\n")
        while name >= "003.txt" and not ((place / "go").exists() or (place / name).exists()):
            time.sleep(0.05)
        return [name]
"""
WHOLE = "".join(f"00{number}.txt\n" for number in range(6))


def waiting(pipeline: Any, tmp_path: Path, **keys: Any) -> Pipeline:
    it: Pipeline = pipeline(WAITS, files=6, environment_variables={"PLACE": str(tmp_path)}, **keys)
    return it


AS_ANY_USER = (
    ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all")
    if os.getuid() == 0
    else ()
)
"""Runs a command without root's right to write to read-only files, if root runs the tests."""


def calls(tmp_path: Path) -> list[str]:
    file = tmp_path / "calls.txt"
    return sorted(file.read_text().split()) if file.exists() else []


def parts(it: Pipeline) -> int:
    return len(it.committed())


def test_a_killed_driver_is_resumed_and_only_what_is_missing_is_done(
    pipeline: Any, tmp_path: Path
) -> None:
    it = waiting(pipeline, tmp_path)
    process = it.start()
    wait_until(lambda: parts(it) == 3 and len(calls(tmp_path)) == 5)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_until(lambda: it.left_over() == [])
    assert not it.output.exists()
    (tmp_path / "go").touch()
    said = it.call(resume=True)
    assert "3 of 6 mini-batches are reused; 3 did not run before" in said
    assert it.output.read_text() == WHOLE
    done = calls(tmp_path)
    assert [done.count(f"00{number}.txt") for number in range(6)] == [1, 1, 1, 2, 2, 1]
    assert it.result["mini_batches"]["succeeded"] == 6
    wait_until(lambda: it.left_over() == [])


def test_what_a_killed_task_run_has_done_of_its_group_is_kept(
    pipeline: Any, tmp_path: Path
) -> None:
    it: Pipeline = pipeline(
        WAITS.replace('name >= "003.txt"', 'name == "036.txt"'),
        files=40,
        environment_variables={"PLACE": str(tmp_path)},
        max_concurrency_per_instance=1,
    )
    process = it.start("--task-run-seconds", "60")
    wait_until(lambda: len(calls(tmp_path)) == 37)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_until(lambda: it.left_over() == [])
    # The first ones run singly, until it is known how long they take.
    files = [*it.step.glob("parts/*.part"), *it.step.glob("packs/*/*.pack")]
    assert len(files) < 20
    (tmp_path / "go").touch()
    said = it.call(resume=True)
    assert "36 of 40 mini-batches are reused; 4 did not run before" in said
    assert it.output.read_text() == "".join(f"{number:03d}.txt\n" for number in range(40))
    assert [name for name in calls(tmp_path) if calls(tmp_path).count(name) > 1] == ["036.txt"] * 2


def test_a_resumed_run_redoes_what_has_changed(pipeline: Any, tmp_path: Path) -> None:
    it = waiting(pipeline, tmp_path)
    (tmp_path / "go").touch()
    it.call()
    assert "6 of 6 mini-batches are reused\n" in it.call(resume=True)
    assert len(calls(tmp_path)) == 6
    (it.folder / "data" / "002.txt").write_text("other data")
    assert "5 of 6 mini-batches are reused; 1 have other data" in it.call(resume=True)
    assert calls(tmp_path).count("002.txt") == 2
    part = it.step / "parts" / "000001.part"
    os.truncate(part, part.stat().st_size - 1)
    damaged = "5 of 6 mini-batches are reused; 1 have a result that is damaged"
    assert damaged in it.call(resume=True)
    assert it.output.read_text() == WHOLE
    arguments = "jobs.step.task.program_arguments=--other 1"
    other = "0 of 6 mini-batches are reused; 6 ran with other "
    assert f"{other}arguments" in it.call(arguments, resume=True)
    script = it.folder / "code" / "script.py"
    script.write_text(script.read_text() + "\n# changed\n")
    assert f"{other}code (script.py)" in it.call(arguments, resume=True)
    assert it.output.read_text() == WHOLE


def test_a_part_that_is_damaged_while_the_step_runs_is_named(pipeline: Any) -> None:
    it: Pipeline = pipeline(
        """
        from pathlib import Path
        def init(): pass
        def run(mini_batch, context):
            if context.mini_batch_index == 1:
                raise ValueError("no number")
            return mini_batch
        def shutdown():
            for part in Path(__file__).parents[1].glob("parts/*0.part"):
                part.write_text("no part")
        """,
        files=2,
        retry_settings={"max_retries": 0},
    )
    assert "000000.part is not a part" in it.call(expect="Failed")
    assert "000000.part is not a part" in it.result["reason"]
    assert it.result["mini_batches"]["failed"] == 1
    (line,) = (it.step / "logs" / "failed_mini_batches.jsonl").read_text().splitlines()
    assert "no number" in line


def test_a_failed_mini_batch_is_done_again_and_can_be_debugged(
    pipeline: Any, tmp_path: Path
) -> None:
    it: Pipeline = pipeline(
        """
        import os
        def init(): pass
        def run(mini_batch):
            if "002" in mini_batch[0] and not os.path.exists(os.environ["PLACE"] + "/mended"):
                raise ValueError("not yet mended")
            return [os.path.basename(mini_batch[0])]
        """,
        mini_batch_error_threshold=0,
        environment_variables={"PLACE": str(tmp_path)},
    )
    it.call(expect="Failed")
    (failed,) = (it.step / "logs" / "failed_mini_batches.jsonl").read_text().splitlines()
    repeat = shlex.split(json.loads(failed)["repeat"])
    assert repeat[:2] == ["prefect-parallel", "debug"]
    ended = subprocess.run(
        [*COMMAND, *repeat[1:], "--no-pdb"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "ValueError: not yet mended" in ended.stderr
    assert "mini-batch 2: 002.txt" in ended.stderr
    ended = subprocess.run(
        [*COMMAND, *repeat[1:]],
        input="p mini_batch\nq\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "(Pdb) [" in ended.stdout
    (tmp_path / "mended").touch()
    ended = subprocess.run([*COMMAND, *repeat[1:]], capture_output=True, text=True, check=True)
    assert "['002.txt']" in ended.stdout
    said = it.call(resume=True)
    assert "1 failed before" in said
    assert it.output.read_text() == "000.txt\n001.txt\n002.txt\n003.txt\n"


def test_data_that_changes_while_a_step_runs_fails_its_mini_batch(pipeline: Any) -> None:
    it: Pipeline = pipeline(
        """
        import os
        def init(): pass
        def run(mini_batch):
            if "000.txt" in mini_batch[0]:
                folder = os.path.dirname(mini_batch[0])
                open(os.path.join(folder, "149.txt"), "a").write("more")
                open(os.path.join(folder, "150.txt"), "a").close()
            return [os.path.basename(mini_batch[0])]
        """,
        files=150,
        # One after another: when the last one ends the step, all others are done.
        max_concurrency_per_instance=1,
        mini_batch_error_threshold=0,
    )
    said = it.call(expect="Failed")
    assert "149.txt: has changed since the mini-batches were planned: it had 0 bytes" in said
    assert not it.output.exists()
    said = it.call(resume=True)
    # The one that changed, and the file that came.
    assert "149 of 151 mini-batches are reused" in said
    assert it.output.read_text().count("\n") == 151


def test_a_run_that_is_running_is_not_resumed(pipeline: Any, tmp_path: Path) -> None:
    it = waiting(pipeline, tmp_path)
    process = it.start()
    wait_until(lambda: parts(it) == 3)
    said = it.run("--resume", "run", expect=2)
    assert f"is in use by process {process.pid}; wait" in said
    (tmp_path / "go").touch()
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert it.output.read_text() == WHOLE


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_killed_node_loses_nothing(pipeline: Any, tmp_path: Path, nodes: int) -> None:
    it = waiting(pipeline, tmp_path, resources={"instance_count": nodes})
    process = it.start()
    wait_until(lambda: parts(it) == 3 and len(calls(tmp_path)) >= 5)
    running = nodes_of(process.pid)
    assert len(running) == nodes
    running[0].kill()
    (tmp_path / "go").touch()
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert it.output.read_text() == WHOLE
    assert it.result["items"] == {"total": 6, "succeeded": 6, "failed": 0}
    assert it.left_over() == []


def test_ctrl_c_lets_running_mini_batches_end_and_calls_shutdown(
    pipeline: Any, tmp_path: Path
) -> None:
    it: Pipeline = pipeline(
        """
        import os, time
        def init(): pass
        def run(mini_batch):
            print("running")
            while not os.path.exists(os.environ["PLACE"] + "/go"):
                time.sleep(0.05)
            # No other mini-batch starts by now, and there are 4 s left.
            time.sleep(1)
            return mini_batch
        def shutdown(): print("shutdown")
        """,
        environment_variables={"PLACE": str(tmp_path)},
    )
    process = it.start()
    it.wait_for("running", 2)
    said = interrupt(process, until="waiting for step: the entry processes to end")
    (tmp_path / "go").touch()
    said += process.communicate(timeout=240)[0]
    assert process.returncode == 1, said
    assert said.count("canceling  running mini-batches and commands have 5 s to finish; press") == 1
    assert it.said().count("shutdown") == 2
    assert it.result["status"] == "Canceled"
    assert it.result["mini_batches"]["succeeded"] == 2
    assert "2 of 4 mini-batches are reused" in it.call(resume=True)


def test_ctrl_c_twice_ends_all_at_once(pipeline: Any) -> None:
    it: Pipeline = pipeline("""
        import time
        def init(): pass
        def run(mini_batch):
            print("running")
            time.sleep(600)
    """)
    process = it.start()
    it.wait_for("running", 2)
    interrupt(process)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 1
    assert "Canceled  interrupted" in said
    assert not (it.step / "logs" / "job_result.txt").exists(), "it was not ended at once"
    wait_until(lambda: it.left_over() == [])


def test_ctrl_c_during_a_slow_shutdown(pipeline: Any) -> None:
    it: Pipeline = pipeline("""
        import subprocess, time
        def run(mini_batch): return mini_batch
        def shutdown():
            print("shutdown", subprocess.Popen(["setsid", "sleep", "600"]).pid)
            time.sleep(600)
    """)
    process = it.start()
    wait_until(lambda: it.step.exists() and "shutdown" in it.said())
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 1, said
    # Otherwise `shutdown` would have reached its limit of 10 s, which is an error.
    assert "took longer" not in "".join(
        file.read_text() for file in (it.step / "logs").rglob("*") if file.is_file()
    )
    assert "Canceled  step: the run was canceled" in said
    assert it.result["status"] == "Canceled"
    wait_until(lambda: it.left_over() == [])
    assert list(it.output.parent.iterdir()) == []
    assert "4 of 4 mini-batches are reused" in it.call(resume=True)
    assert it.output.read_text().count("\n") == 4


def test_cancel_from_the_api(pipeline: Any, tmp_path: Path, server: str) -> None:
    it = waiting(pipeline, tmp_path)
    process = it.start()
    wait_until(lambda: parts(it) == 3)
    with temporary_settings({PREFECT_API_URL: server}), get_client(sync_client=True) as client:
        client.set_flow_run_state(it.flow_run, Cancelling(), force=True)
        said, _ = process.communicate(timeout=240)
        assert process.returncode == 1, said
        assert client.read_flow_run(it.flow_run).state_name == "Cancelled"
    assert it.result["status"] == "Canceled"
    assert it.left_over() == []


@pytest.mark.parametrize(
    ("script", "arguments", "reason"),
    [
        (
            "import time\ndef init(): time.sleep(600)\ndef run(mini_batch): return mini_batch",
            "--first_task_creation_timeout 2",
            "first_task_creation_timeout: 2 s",
        ),
        (
            "import time\ndef init(): pass\ndef run(mini_batch): time.sleep(600)",
            "--progress_update_timeout 2",
            "no mini-batch made progress for progress_update_timeout: 2 s",
        ),
    ],
)
def test_a_silent_job_is_ended(pipeline: Any, script: str, arguments: str, reason: str) -> None:
    it: Pipeline = pipeline(script, arguments=arguments)
    assert reason in it.call(expect="Failed")
    assert it.result["status"] == "Failed"
    wait_until(lambda: it.left_over() == [])


def test_an_entry_process_out_of_memory_fails_the_attempt_and_says_so(pipeline: Any) -> None:
    it: Pipeline = pipeline("""
        import os, resource
        def init():
            resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        def run(mini_batch):
            name = os.path.basename(mini_batch[0])
            if name == "001.txt":
                return [bytearray(1 << 31)]
            return [name]
    """)
    it.call()
    assert it.output.read_text() == "000.txt\n002.txt\n003.txt\n"
    assert "MemoryError" in it.result["reason"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    place = tmp_path / "small disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.parametrize("bytes_each", [400_000, 150_000], ids=["parts", "output"])
def test_a_full_disk_is_one_clear_error_and_no_half_output(
    pipeline: Any, small_disk: Path, bytes_each: int
) -> None:
    it: Pipeline = pipeline(f"""
        def init(): pass
        def run(mini_batch): return ["x" * {bytes_each}]
    """)
    said = it.call(output_dir=small_disk, expect="Failed")
    assert "No space left on device" in said
    assert "Traceback" not in said
    assert list((small_disk / "run" / "steps" / "step" / "outputs").iterdir()) == []
    wait_until(lambda: it.left_over() == [])


@pytest.mark.parametrize("type_", ["parallel", "command"])
def test_a_disk_that_is_full_when_the_code_is_copied(
    pipeline: Any, small_disk: Path, type_: str
) -> None:
    it: Pipeline = pipeline("def run(mini_batch): return mini_batch")
    if type_ == "command":
        step = {"type": "command", "command": "true", "code": "./code"}
        it.change("jobs.step", {**step, "environment": "azureml:any:1"})
    [script] = it.folder.rglob("script.py")
    (script.parent / "weights.bin").write_bytes(bytes(2_000_000))
    said = it.call(output_dir=small_disk, expect="Failed")
    copy = small_disk / "run" / "steps" / "step" / "code"
    assert f"weights.bin cannot be copied to {copy}: [Errno 28] No space left on device" in said
    assert "internal error" not in said
    assert not copy.exists()


def test_a_disk_that_is_full_at_the_start(pipeline: Any, small_disk: Path) -> None:
    it: Pipeline = pipeline("def run(mini_batch): return mini_batch")
    with (small_disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    said = it.run("--output-dir", str(small_disk), expect=2)
    said_of_it = "the run directory cannot be written to: No space left on device: "
    assert f"error: {said_of_it}{small_disk}/run" in said
    assert "Traceback" not in said
    assert [path.name for path in small_disk.rglob("*") if path.suffix == ".html"] == []


def make_read_only(folder: Path) -> None:
    for each in (folder, *folder.rglob("*/")):
        each.chmod(0o500)


def remove(folder: Path) -> None:
    """Remove a folder at once, whatever is written into it meanwhile."""
    shutil.rmtree(folder.rename(folder.with_name("removed")), ignore_errors=True)


@pytest.mark.parametrize(
    ("trouble", "said_of_it"),
    [(make_read_only, "Permission denied"), (remove, "No such file or directory")],
)
def test_a_run_directory_that_cannot_be_written_to_any_more_is_one_clear_error(
    pipeline: Any, tmp_path: Path, trouble: Callable[[Path], None], said_of_it: str
) -> None:
    it = waiting(pipeline, tmp_path)
    process = it.start(launcher=AS_ANY_USER)
    wait_until(lambda: parts(it) == 3 and len(calls(tmp_path)) == 5)
    trouble(it.step.parents[1])
    (tmp_path / "go").touch()
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 1, said
    assert "Failed  step: the run directory cannot be written to" in said
    assert said_of_it in said
    assert "Traceback" not in said
    assert ("job_result.txt" in said) == (it.step / "logs" / "job_result.txt").exists()
    assert not it.output.exists()
    assert it.left_over() == []


def test_a_step_whose_folder_cannot_be_made(pipeline: Any) -> None:
    it: Pipeline = pipeline("def init(): pass\ndef run(mini_batch): return mini_batch")
    it.change(
        "jobs.first",
        {
            "type": "command",
            "command": "touch ../../step",
            "outputs": {"none": {"type": "uri_folder"}},
            "environment": "azureml:any:1",
        },
    )
    path = "${{parent.jobs.first.outputs.none}}"
    it.change("jobs.step.inputs.after", {"type": "uri_folder", "path": path})
    said = it.call(expect="Failed")
    assert "Failed  step: the run directory cannot be written to" in said
    assert "and its logs cannot be written" in said
    assert "Traceback" not in said


MAKING = {
    "type": "command",
    "command": "echo made > ${{outputs.out}}",
    "outputs": {"out": {"type": "uri_file"}},
    "environment": "azureml:any:1",
}


def test_a_command_that_completed_runs_again_after_another_failed_in_its_place(
    pipeline: Any,
) -> None:
    it: Pipeline = pipeline("def run(mini_batch): return mini_batch")
    it.change("jobs.step", MAKING)
    it.call()
    it.call("jobs.step.command=false", resume=True, expect="Failed")
    assert not it.output.exists()
    assert "completed in an earlier run" not in it.call(resume=True)
    assert it.output.read_text() == "made\n"
    assert "completed in an earlier run" in it.call(resume=True)


@pytest.mark.parametrize("change", [Path.unlink, lambda output: output.write_text("edited")])
def test_a_command_runs_again_if_its_output_was_deleted_or_edited(
    pipeline: Any, change: Callable[[Path], object]
) -> None:
    it: Pipeline = pipeline("")
    it.change("jobs.step", MAKING)
    it.call()
    change(it.output)
    assert "completed in an earlier run" not in it.call(resume=True)
    assert it.output.read_text() == "made\n"


def test_a_flow_run_that_is_retried_resumes(
    pipeline: Any, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    it: Pipeline = pipeline(
        """
        import os
        def init(): pass
        def run(mini_batch):
            name = os.path.basename(mini_batch[0])
            place = os.environ["PLACE"]
            with open(place + "/calls.txt", "a") as calls:
                calls.write(name + "\\n")
            if name == "003.txt" and not os.path.exists(place + "/once"):
                open(place + "/once", "w").close()
                raise ValueError("once")
            return [name]
        """,
        mini_batch_error_threshold=0,
        environment_variables={"PLACE": str(tmp_path)},
    )
    monkeypatch.setenv("PREFECT_API_URL", server)
    with temporary_settings({PREFECT_API_URL: server}):
        flow = compile_pipeline(it.file, output_dir=it.folder / "runs")
        state = flow.with_options(retries=1)(return_state=True)
    assert state.is_completed(), state.message  # type: ignore[attr-defined]
    assert calls(tmp_path) == ["000.txt", "001.txt", "002.txt", "003.txt", "003.txt"]
    (run,) = (it.folder / "runs").iterdir()
    result = state.result()  # type: ignore[attr-defined]
    assert result.run_directory == run
    assert result.steps["step"].mini_batches["succeeded"] == 4
    assert (run / "steps/step/outputs/out").read_text().count("\n") == 4


SERVER_AWAY = "the Prefect server, which does not answer; work goes on"


class OwnServer:
    """A Prefect server that a test can kill and start again at the same address."""

    def __init__(self, folder: Path) -> None:
        self._home = folder / "home"
        self._home.mkdir()
        copy_database(Path(os.environ["PREFECT_HOME"]), self._home)
        self._log = folder / "server.log"
        self._port = free_port()
        self._servers = Spawner()
        self.url = f"http://127.0.0.1:{self._port}/api"
        self.start()

    def start(self) -> None:
        self._pid = self._servers.start(
            [sys.executable, "-m", server_process.__name__, str(self._port)],
            folder=self._home,
            environment={**os.environ, "PREFECT_HOME": str(self._home)},
            stdout=self._log,
            stderr=self._log,
        )
        wait_until_healthy(self.url, self._pid, self._log)

    def kill(self) -> None:
        self._servers.end(self._pid)

    def close(self) -> None:
        self._servers.close()


@pytest.fixture
def own_server(tmp_path: Path, server: str) -> Iterator[OwnServer]:
    own = OwnServer(tmp_path)
    yield own
    own.close()


def start_and_lose_the_server(it: Pipeline, server: OwnServer) -> subprocess.Popen[str]:
    it.server = server.url
    process = it.start()
    wait_until(lambda: parts(it) == 3)
    server.kill()
    return process


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """The output of a process up to the line with a text, or all of it; within 240 s."""
    assert process.stdout is not None
    said = ""
    patience = threading.Timer(240, process.kill)
    patience.start()
    for line in process.stdout:
        said += line
        if text and text in line:
            break
    patience.cancel()
    assert text in said, said
    return said


def test_an_api_server_that_is_not_there_is_told_of_before_anything_runs(
    pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As after `prefect server start --background`. Process ids are smaller.
    no_process = 1 << 22 | 1
    (tmp_path / "server.pid").write_text(str(no_process))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    it: Pipeline = waiting(pipeline, Path("unused"))
    it.server = f"http://127.0.0.1:{free_port()}/api"
    said = it.run(expect=1)
    assert f"error: the Prefect server at {it.server} does not answer" in said
    assert f"the background server (pid {no_process}) has died" in said
    assert "Traceback" not in said
    assert not (it.folder / "runs").exists()


def test_the_api_server_may_go_away_for_a_while(
    pipeline: Any, tmp_path: Path, own_server: OwnServer
) -> None:
    it = waiting(pipeline, tmp_path)
    process = start_and_lose_the_server(it, own_server)
    said = read_until(process, SERVER_AWAY)
    for name in ("003.txt", "004.txt"):
        (tmp_path / name).touch()
    wait_until(lambda: parts(it) == 5)
    own_server.start()
    # Once a step has ended, it waits for 30 s only.
    (tmp_path / "go").touch()
    said += read_until(process, "")
    assert process.wait(timeout=240) == 0, said
    assert it.output.read_text() == WHOLE


def test_an_api_server_that_is_gone_for_good_ends_the_run_which_can_be_resumed(
    pipeline: Any,
    tmp_path: Path,
    own_server: OwnServer,
    server: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # By default Prefect tries for a minute, each time that it has something to say.
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "2")
    it = waiting(pipeline, tmp_path)
    process = start_and_lose_the_server(it, own_server)
    told = read_until(process, SERVER_AWAY)
    (tmp_path / "go").touch()
    said = told + read_until(process, "")
    assert process.wait(timeout=240) == 1, said
    assert "EventsWorker" not in said
    assert "Error logging to API" not in said
    assert f"the Prefect server at {own_server.url} stopped answering" in said
    assert "continue with --resume run" in said
    waits = "waiting for the Prefect server to take the result"
    assert "  step: " in said[: said.index(waits)], "the step's own result comes first"
    assert "Traceback" not in said
    assert it.left_over() == []
    monkeypatch.delenv("PREFECT_CLIENT_MAX_RETRIES")
    it.server = server
    it.run("--resume", "run")
    assert it.output.read_text() == WHOLE


@pytest.mark.parametrize("coming_back", [True, False])
def test_the_runs_own_server_is_killed(
    pipeline: Any, tmp_path: Path, server: str, *, coming_back: bool
) -> None:
    it = waiting(pipeline, tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    copy_database(Path(os.environ["PREFECT_HOME"]), home)
    process = it.start(launcher=("env", "-u", "PREFECT_API_URL", f"PREFECT_HOME={home}"))
    wait_until(lambda: parts(it) == 3)
    [fork_server] = psutil.Process(process.pid).children()
    own_server = min(fork_server.children(), key=psutil.Process.create_time)
    if coming_back:
        own_server.kill()
        (tmp_path / "go").touch()
    else:
        # Nodes and server end with it, and nothing can start them again.
        fork_server.kill()
    said = read_until(process, "")
    assert process.wait(timeout=240) == (0 if coming_back else 1), said
    assert "Traceback" not in said
    assert it.left_over() == []
    if coming_back:
        assert it.output.read_text() == WHOLE
    else:
        assert "  step: the process that nodes are forked from was killed" in said
        assert "stopped answering" in said
        assert "the Prefect server to take the result" not in said, "nobody can wait for it"
