"""What is built of this repository, and that it is all that a user needs."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from tests.conftest import MEASURING
from tests.remote.conftest import free_port
from tests.uv import skip_without_index, uv

REPOSITORY = Path(__file__).parents[1]

_PROJECT = (REPOSITORY / "pyproject.toml").read_text()
(VERSION,) = re.findall(r'^version = "(.+)"', _PROJECT, re.MULTILINE)

SECONDS = 480


def uv_does(*arguments: object) -> None:
    ended = uv(*arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    skip_without_index()
    folder = tmp_path_factory.mktemp("sdist")
    uv_does("build", "--sdist", "--out-dir", folder, REPOSITORY)
    return folder / f"prefect_parallel-{VERSION}.tar.gz"


@pytest.fixture(scope="module")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return folder / f"prefect_parallel-{VERSION}"


@pytest.fixture(scope="module")
def wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As index servers and distributions have it: built of the sdist."""
    folder = tmp_path_factory.mktemp("wheel")
    uv_does("build", "--wheel", "--out-dir", folder, unpacked)
    return folder / f"prefect_parallel-{VERSION}-py3-none-any.whl"


def in_git(*folders: str) -> set[str]:
    """The repository's files, those included that are not yet committed."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *folders]
    answer = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        pytest.skip(f"this is no clone: {answer.stderr}")
    return {name for name in answer.stdout.split("\0") if (REPOSITORY / name).is_file()}


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def test_the_sdist_is_the_repository(unpacked: Path) -> None:
    assert files_of(unpacked) == in_git() | {"PKG-INFO"}


def test_the_wheel_is_the_package(wheel: Path) -> None:
    about = f"prefect_parallel-{VERSION}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name for name in names if not name.startswith(about)} == in_git("prefect_parallel")
    assert f"{about}/licenses/LICENSE" in names


@dataclass(frozen=True)
class Elsewhere:
    """A user's folder with copies of the examples, and an environment with the wheel."""

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str) -> str:
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    """With a server that the profile names."""
    root = tmp_path_factory.mktemp("elsewhere")
    python = root / "environment"
    uv_does("venv", "--python", sys.executable, python)
    uv_does("pip", "install", "--python", python, str(wheel))
    uv_does("pip", "check", "--python", python)
    folder = root / "a folder, 'quoted' ü"
    for name in ("blocks", "examples"):
        shutil.copytree(REPOSITORY / name, folder / name)
    # Coverage is not installed there.
    ours = {"PYTHONPATH", *MEASURING}
    environment = {key: value for key, value in os.environ.items() if key not in ours}
    environment["PATH"] = f"{python / 'bin'}{os.pathsep}{environment['PATH']}"
    environment["PREFECT_HOME"] = str(root / "home")
    environment["PREFECT_PROFILES_PATH"] = str(root / "home" / "profiles.toml")
    it = Elsewhere(folder, environment)
    port = free_port()
    with (root / "server.log").open("w") as log:
        command = ["prefect", "server", "start", "--port", str(port)]
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    it.run("prefect", "config", "set", f"PREFECT_API_URL=http://127.0.0.1:{port}/api")
    it.run("prefect", "server", "status", "--wait", "--timeout", str(SECONDS))
    yield it
    server.terminate()
    server.wait(240)


def test_the_wheel_runs_elsewhere(elsewhere: Elsewhere) -> None:
    where = elsewhere.run("python", "-c", "import prefect_parallel as it; print(it.__file__)")
    assert PurePosixPath(where).is_relative_to(elsewhere.folder.parent / "environment")

    iris = "examples/iris_batch_prediction"
    elsewhere.run("prefect-parallel", "validate", f"{iris}/pipeline.yml")
    elsewhere.run("prefect-parallel", "run", f"{iris}/pipeline.yml", "--name", "monday")
    run = elsewhere.folder / "runs" / "monday"
    output = run / "steps" / "batch_prediction" / "outputs" / "job_output_file"
    rows = list(csv.reader((elsewhere.folder / iris / "neural-iris-mltable/iris.csv").open()))
    assert [row[: len(rows[0])] for row in csv.reader(output.open())] == rows[1:]

    report = run / "logs" / "report.html"
    report.unlink()
    elsewhere.run("prefect-parallel", "report", "monday")
    assert "batch_prediction" in report.read_text()


def test_its_versions_and_its_schema(elsewhere: Elsewhere) -> None:
    lines = elsewhere.run("prefect-parallel", "--version").splitlines()
    versions = dict(line.split(maxsplit=1) for line in lines)
    assert versions["prefect-parallel"] == VERSION
    assert versions["Python"] == sys.version.split()[0]
    installed = elsewhere.run("python", "-c", "import dask, pyarrow; print(dask.__version__)")
    assert versions["dask"] == installed.strip()
    schema = json.loads(elsewhere.run("prefect-parallel", "schema"))
    assert "jobs" in schema["properties"]


def test_its_blocks_are_known_to_prefect(elsewhere: Elsewhere) -> None:
    elsewhere.run("prefect-parallel", "blocks", "apply", "blocks/local.py")
    listed = elsewhere.run("prefect-parallel", "blocks", "ls")
    assert "cpu-cluster" in listed
    code = "from prefect.plugins import load_prefect_collections as load; print(*load())"
    assert "prefect_parallel" in elsewhere.run("python", "-c", code)
