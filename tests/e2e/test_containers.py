"""`--environment container`: steps in images made of this machine's own files, by podman."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import Pipeline
from tests.podman import packages, podman, use_podman, write_root
from tests.uv import skip_without_index
from tests.waiting import wait_until

IMAGE = "localhost/prefect-parallel-test:1"

CONTAINERFILE = """
FROM scratch
COPY root /
ENV PATH=/opt/python/bin:/bin IN_IMAGE="in the image"
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image with a few programs and a Python."""
    folder = tmp_path_factory.mktemp("podman")
    for _ in use_podman(folder):
        write_root(folder / "root")
        (folder / "Containerfile").write_text(CONTAINERFILE)
        podman("build", "--quiet", "--tag", IMAGE, str(folder))
        yield IMAGE


def with_command(it: Pipeline, command: str, environment: dict[str, Any], **more: Any) -> Pipeline:
    """The pipeline with a command step, in place of the parallel one."""
    job = yaml.safe_load(it.file.read_text())
    job["jobs"] = {
        "step": {
            "type": "command",
            "command": command,
            "code": "./code",
            "environment": environment,
            "environment_variables": {"GREETING": "two\nlines, 'quoted'"},
            "inputs": {"data": {"type": "uri_folder", "path": "./data"}},
            "outputs": {"out": {"type": "uri_file"}},
            **more,
        }
    }
    it.file.write_text(yaml.safe_dump(job, sort_keys=False))
    return it


COMMAND = """
set -eu
exec > ${{outputs.out}}
cat /inside script.py
id -u
cat ${{inputs.data}}/000.txt
touch ${{inputs.data}}/new || echo "read-only"
touch ../../../job.yml || echo "read-only"
echo "$GREETING${HOME_OF_DRIVER-}"
"""


def test_a_command_runs_in_an_image_that_is_built(
    pipeline: Any, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME_OF_DRIVER", "is not the command's")
    it = pipeline("# the code\n")
    (it.folder / "context").mkdir()
    (it.folder / "context" / "Own.Dockerfile").write_text(f"FROM {image}\nCOPY file /inside\n")
    (it.folder / "context" / "file").write_text("in the image\n")
    build = {"path": "./context", "dockerfile_path": "Own.Dockerfile"}
    with_command(it, COMMAND, {"build": build})
    (it.folder / "data" / "000.txt").write_text("the data\n")
    said = it.run("--environment", "container")
    assert "the image of step step: STEP 1/2: FROM" in said
    assert it.output.read_text().splitlines() == [
        "in the image",
        "# the code",
        str(os.getuid()),
        "the data",
        "read-only",
        "read-only",
        "two",
        "lines, 'quoted'",
    ]
    assert it.output.stat().st_uid == os.getuid()
    assert podman("ps", "--all", "--quiet") == ""

    (it.folder / "context" / "file").write_text("in another image\n")
    said = it.run("--environment", "container", "--resume", "run")
    assert it.output.read_text().startswith("in another image\n")


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (
            {"image": "localhost:9/no/such:1"},
            ["the image localhost:9/no/such:1 cannot be pulled", "refused"],
        ),
        (
            {"build": {"path": "./context"}},
            ["entry processes cannot run in it", "python3", "not found", "Python 3.10 or newer"],
        ),
        (
            {"build": {"path": "./context", "dockerfile_path": "broken"}},
            ["/context cannot be built", "COPY"],
        ),
    ],
)
def test_an_image_that_does_not_do(
    pipeline: Any, image: str, environment: dict[str, Any], said: list[str]
) -> None:
    it = pipeline("def run(files): return files")
    (it.folder / "context").mkdir()
    (it.folder / "context" / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    (it.folder / "context" / "broken").write_text("FROM scratch\nCOPY nothing /\n")
    it.change("jobs.step.task.environment", environment)
    text = it.run("--environment", "container", expect=2)
    assert "step step: " in text
    assert all(part in text for part in said), text
    assert not (it.folder / "runs").exists()


SCRIPT = """
    import os, shutil, signal, subprocess, sys, time

    def init():
        print("begun in", os.environ["IN_IMAGE"], sys.prefix)

    def run(mini_batch, context):
        name = os.path.basename(mini_batch[0])
        (context.output_dir / name).touch()
        if name == "001.txt":
            time.sleep(4321)
        if name == "002.txt":
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "003.txt":
            subprocess.Popen(["sleep", "4322"], start_new_session=True)
            os._exit(3)
        if name == "004.txt":
            held = b"x" * 2_000_000_000
            time.sleep(60)
        if name == "005.txt":
            open(mini_batch[0], "w")
        if name == "006.txt":
            return [sys.argv[-1], os.getcwd(), os.getuid(), os.environ["GIVEN"],
                    os.environ.get("OF_DRIVER"), shutil.disk_usage("/dev/shm").total]
        return [name]
"""


def running(command: str) -> list[str]:
    found = subprocess.run(["pgrep", "-f", f"^{command}$"], capture_output=True, text=True)
    return found.stdout.split()


def test_entry_processes_run_in_one_container(
    pipeline: Any, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_DRIVER", "is not the script's")
    monkeypatch.setenv("PASSED", "with 'quotes'")
    it = pipeline(
        SCRIPT,
        files=8,
        arguments="--max_process_memory 1gb --resource_monitor_interval 1 --isolate_failed_items"
        " False ${{inputs.files}}",
        resources={
            "instance_count": 1,
            "shm_size": "3m",
            "docker_args": ["--env PASSED --env 'GIVEN=two words'", *packages()],
        },
        retry_settings={"max_retries": 0, "timeout": 20},
        outputs={"out": {"type": "uri_file"}, "models": {"type": "uri_folder"}},
    )
    it.change("jobs.step.task.environment", {"name": "own", "version": 1, "image": image})
    it.run("--environment", "container")
    errors = {}
    for line in (it.step / "logs" / "failed_mini_batches.jsonl").read_text().splitlines():
        failed = json.loads(line)
        errors[failed["mini_batch"]] = failed["error"]
    assert list(errors) == [1, 2, 3, 4, 5]
    assert errors[1] == "run() took longer than retry_settings.timeout: 20 s"
    assert "the process ended during run(): signal SIGKILL, peak memory" in errors[2]
    assert "the process ended during run(): exit code 3" in errors[3]
    assert "out of memory during run(): it used" in errors[4]
    assert "Read-only file system" in errors[5]
    data, uid = str(it.folder / "data"), str(os.getuid())
    assert it.output.read_text().splitlines() == [
        *("000.txt", data, str(it.step / "code"), uid, "two words", "None", str(3 * 1024**2)),
        "007.txt",
    ]
    models = [path.name for path in (it.step / "outputs" / "models").iterdir()]
    assert sorted(models) == ["000.txt", "006.txt", "007.txt"]
    assert "begun in in the image /opt/python" in it.said()
    logs = it.step / "logs"
    assert "time.sleep(4321)" in (logs / "user" / "error.txt").read_text() + "".join(
        file.read_text() for file in (logs / "user" / "error").rglob("*.txt")
    )
    sampled = (logs / "sys" / "perf" / "node-0" / "processes_resource_usage.csv").read_text()
    # Only the process that hangs for 20 s lives long enough to be sampled for certain.
    assert re.search(r",process\d{3},\d+,\d", sampled)
    assert podman("ps", "--all", "--quiet") == ""
    assert running("sleep 4322") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_driver_that_is_ended_leaves_no_container(
    pipeline: Any, image: str, number: signal.Signals
) -> None:
    it = pipeline("""
        import subprocess
        def run(mini_batch):
            print("begun")
            subprocess.run(["sleep", "4323"])
    """)
    it.change("jobs.step.task.environment", {"image": image})
    it.change("jobs.step.resources.docker_args", packages())
    command = {
        "type": "command",
        "command": "echo begun; sleep 4324; true",
        "environment": {"image": image},
    }
    it.change("jobs.other", command)
    process = it.start("--environment", "container")
    log = it.folder / "runs" / "run" / "steps" / "other" / "logs" / "std_log.txt"
    wait_until(
        lambda: (
            (it.step.exists() and "begun" in it.said() and log.exists() and log.stat().st_size > 0)
            or process.poll() is not None
        )
    )
    assert len(podman("ps", "--quiet").split()) == 2
    process.send_signal(number)
    said, _ = process.communicate(timeout=240)
    assert process.returncode in (1, -signal.SIGKILL), said
    wait_until(lambda: it.left_over() == [])
    wait_until(lambda: running("sleep 4323") + running("sleep 4324") == [])
    wait_until(lambda: podman("ps", "--all", "--quiet") == "")


def test_a_conda_file_beside_an_image_is_built_in_it(
    pipeline: Any, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_without_index()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    it = pipeline(
        """
        import os, six, sys
        def run(mini_batch): return [f"{six.__version__} {sys.prefix} {os.environ['IN_IMAGE']}"]
        """,
        files=1,
    )
    conda = {"dependencies": ["python>=3.10", {"pip": ["six==1.15.0"]}]}
    it.change("jobs.step.task.environment", {"image": image, "conda_file": conda})
    command = {
        "type": "command",
        "command": "python -c 'import six, sys; print(six.__version__, sys.prefix)'",
        "environment": {"image": image, "conda_file": conda},
    }
    it.change("jobs.other", command)
    said = it.run("--environment", "container")
    assert "the image of step step: Resolved" in said
    version, prefix, *rest = it.output.read_text().split()
    assert (version, rest) == ("1.15.0", ["in", "the", "image"])
    assert prefix.startswith(str(tmp_path / "cache"))
    log = it.folder / "runs" / "run" / "steps" / "other" / "logs" / "std_log.txt"
    version, prefix, *rest = log.read_text().split()
    assert version == "1.15.0"
    assert prefix.startswith(str(tmp_path / "cache"))
