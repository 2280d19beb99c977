"""`--environment container`: commands in images made of this machine's own files, by podman."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import Pipeline
from tests.waiting import wait_until

IMAGE = "localhost/prefect-parallel-test:1"

PROGRAMS = ("bash", "cat", "env", "id", "sleep", "touch")

# What an engine of this kind needs on machines without cgroups and overlays of their own.
CONTAINERS = """
[containers]
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
"""

STORAGE = """
[storage]
driver = "vfs"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""


def podman(*arguments: str) -> str:
    return subprocess.run(
        ["podman", *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image with bash and a few other programs."""
    if shutil.which("podman") is None or shutil.which("runc") is None:
        pytest.skip("podman and runc are not installed: apt-get install podman runc")
    folder = tmp_path_factory.mktemp("podman")
    for name in PROGRAMS:
        program = shutil.which(name)
        assert program is not None
        libraries = re.findall(r"/\S+", subprocess.check_output(["ldd", program], text=True))
        for file in (program, *libraries):
            copy = folder / "root" / (f"bin/{name}" if file == program else file[1:])
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    (folder / "root" / "tmp").mkdir()
    (folder / "root" / "inside").write_text("in the image\n")
    (folder / "Containerfile").write_text("FROM scratch\nCOPY root /\n")
    (folder / "containers.conf").write_text(CONTAINERS)
    (folder / "storage.conf").write_text(STORAGE.format(folder=folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_CONF", str(folder / "containers.conf"))
        patch.setenv("CONTAINERS_STORAGE_CONF", str(folder / "storage.conf"))
        try:
            podman("build", "--quiet", "--tag", IMAGE, str(folder))
        except subprocess.CalledProcessError as error:
            pytest.skip(f"podman cannot build images here: {error.stderr}")
        yield IMAGE
        # What the driver that is killed leaves has mounts.
        podman("rm", "--all", "--force")


def with_command(it: Pipeline, command: str, image: str) -> Pipeline:
    """The pipeline with a command step, in place of the parallel one."""
    job = yaml.safe_load(it.file.read_text())
    job["jobs"] = {
        "step": {
            "type": "command",
            "command": command,
            "code": "./code",
            "environment": {"image": image},
            "environment_variables": {"GREETING": "two\nlines, 'quoted'"},
            "inputs": {"data": {"type": "uri_folder", "path": "./data"}},
            "outputs": {"out": {"type": "uri_file"}},
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
echo "$GREETING${HOME_OF_DRIVER-}"
"""


def test_a_command_runs_in_the_image(
    pipeline: Any, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME_OF_DRIVER", "is not the command's")
    it = with_command(pipeline("# the code\n"), COMMAND, image)
    (it.folder / "data" / "000.txt").write_text("the data\n")
    it.run("--environment", "container")
    assert it.output.read_text().splitlines() == [
        "in the image",
        "# the code",
        str(os.getuid()),
        "the data",
        "read-only",
        "two",
        "lines, 'quoted'",
    ]
    assert it.output.stat().st_uid == os.getuid()
    assert podman("ps", "--all", "--quiet") == ""


def test_an_image_that_is_not_there(pipeline: Any, image: str) -> None:
    it = with_command(pipeline(""), "true", "localhost:9/no/such:1")
    said = it.run("--environment", "container", expect=2)
    assert "step step: the image localhost:9/no/such:1 cannot be pulled" in said
    assert "refused" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_driver_that_is_ended_leaves_no_process(
    pipeline: Any, image: str, number: signal.Signals
) -> None:
    it = with_command(pipeline(""), "echo begun; sleep 654; true", image)
    process = it.start("--environment", "container")
    log = it.step / "logs" / "std_log.txt"
    wait_until(lambda: (log.exists() and "begun" in log.read_text()) or process.poll() is not None)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode in (1, -signal.SIGKILL), said
    wait_until(lambda: it.left_over() == [], seconds=30)
    running = subprocess.run(["pgrep", "-f", "^sleep 654$"], capture_output=True, check=False)
    assert running.stdout == b""
    if number == signal.SIGINT:
        assert podman("ps", "--all", "--quiet") == ""
