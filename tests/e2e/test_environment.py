"""`--environment`: steps on real environments from the package index."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import COMMAND, Pipeline
from tests.uv import UV, skip_without_index
from tests.waiting import wait_until

TELL = """
    import sys
    import numpy
    import pandas
    LOADED = {"prefect", "dask", "distributed", "pydantic"} & set(sys.modules)
    FOUND = [path for path in sys.path if "site-packages" in path]
    def init(): print(sys.executable, FOUND)
    def run(mini_batch):
        return [f"{numpy.__version__} {pandas.__version__} {sorted(LOADED)}" for _ in mini_batch]
"""

OLD = {"dependencies": ["python>=3.10", "pip", {"pip": ["numpy<2", "pandas<3", "pyarrow<20"]}]}
"""Requirements that this project's own environment does not meet."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache of environments that the runs of this module share."""
    skip_without_index()
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "prefect-parallel" / "environments"


@pytest.fixture
def with_environment(pipeline: Any, cache: Path) -> Any:
    """Factory of pipelines whose step has a conda file: `with_environment({...})`."""

    def write(conda: dict[str, Any], script: str = TELL, **more: Any) -> Pipeline:
        it: Pipeline = pipeline(script, files=2, **more)
        (it.folder / "conda.yml").write_text(yaml.safe_dump(conda))
        it.change("jobs.step.task.environment", {"image": "any", "conda_file": "conda.yml"})
        return it

    return write


def built_folders(cache: Path) -> list[Path]:
    return [path for path in cache.glob("*") if path.is_dir() and not path.is_symlink()]


def test_what_is_not_met_is_one_warning(with_environment: Any) -> None:
    it: Pipeline = with_environment(OLD)
    job = yaml.safe_load(it.file.read_text())
    job["jobs"]["other"] = {
        "type": "command",
        "command": "true",
        "environment": {"conda_file": {"dependencies": [{"pip": ["no-such-package"]}]}},
    }
    it.file.write_text(yaml.safe_dump(job))
    said = it.run()
    (warning,) = [line for line in said.splitlines() if line.startswith("warning")]
    assert "numpy<2 (2" in warning
    assert "pandas<3 (3" in warning
    assert "of conda.yml" in warning
    assert "no-such-package (not installed)" in warning
    assert "--environment build" in warning
    assert said.index("warning") < said.index("mini-batches to run")
    assert it.output.read_text().startswith("2.")
    planned = subprocess.run(
        [*COMMAND, "plan", str(it.file)], capture_output=True, text=True, check=True
    )
    assert "numpy<2 (2" in planned.stdout


def test_processes_run_on_what_was_built_and_find_nothing_else(
    with_environment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it: Pipeline = with_environment(OLD)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cache = tmp_path / "cache" / "prefect-parallel" / "environments"
    # As if the driver found its own packages by the environment.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    said = it.run("--environment", "build")
    assert "warning" not in said
    assert "the environment of step step: Resolved" in said
    assert it.output.read_text().splitlines()[0].startswith("1.26.")
    assert it.output.read_text().splitlines()[0].endswith(" []")
    executable, found = it.said().splitlines()[0].split(" ", 1)
    (folder,) = built_folders(cache)
    assert executable == str(folder / "python" / "bin" / "python")
    assert eval(found) == [str(next((folder / "python" / "lib").glob("python3*/site-packages")))]

    # It is there: nothing is built again.
    again = it.run("--environment", "build", "--output-dir", "again")
    assert "Resolved" not in again
    assert built_folders(cache) == [folder]


def test_a_table_is_read_and_written_on_what_was_built(with_environment: Any) -> None:
    it: Pipeline = with_environment(
        OLD,
        """
        import pandas
        def init(): pass
        def run(rows):
            assert pandas.__version__ < "3"
            return rows.assign(b=rows["a"] * 2)
        """,
    )
    table = it.folder / "table"
    table.mkdir()
    (table / "rows.csv").write_text("a,name\n1,x\n2,ü\n")
    (table / "MLTable").write_text("paths: [{file: rows.csv}]\ntransformations: [read_delimited]\n")
    it.change("jobs.step.inputs.files", {"type": "mltable", "path": "./table", "mode": "direct"})
    it.call(environment="build")
    assert it.output.read_text() == "1,x,2\n2,ü,4\n"


def test_another_environment_redoes_parts(with_environment: Any) -> None:
    it: Pipeline = with_environment(OLD)
    it.call(environment="build")
    said = it.call(environment="build", resume=True)
    assert "2 of 2 mini-batches are reused" in said
    said = it.call(resume=True)
    assert "0 of 2 mini-batches are reused; 2 ran with other environment" in said
    assert it.output.read_text().startswith("2.")


def test_a_command_s_python_is_that_of_its_environment(with_environment: Any) -> None:
    it: Pipeline = with_environment(OLD)
    it.change(
        "jobs.step",
        {
            "type": "command",
            "command": 'python -c "import numpy; print(numpy.__version__)"; which python',
            "environment": {"conda_file": "conda.yml"},
        },
    )
    it.call(environment="build")
    version, executable = (it.step / "logs" / "std_log.txt").read_text().split()
    assert version.startswith("1.26.")
    assert "/environments/" in executable
    said = it.call(environment="build", resume=True)
    assert "completed in an earlier run" in said
    it.call(resume=True)
    assert (it.step / "logs" / "std_log.txt").read_text().count("\n") == 4


def test_two_runs_at_once_build_it_once(
    with_environment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it: Pipeline = with_environment(OLD)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    runs = [it.start("--environment", "build", "--output-dir", name) for name in ("a", "b")]
    said = [run.communicate(timeout=480)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert sum("Resolved" in text for text in said) == 1
    assert len(built_folders(tmp_path / "cache" / "prefect-parallel" / "environments")) == 1


def test_a_run_that_was_killed_leaves_no_half_environment(
    with_environment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it: Pipeline = with_environment(OLD)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    environments = tmp_path / "cache" / "prefect-parallel" / "environments"
    # An index that does not answer, so that the build lasts until it is killed.
    with socket.create_server(("127.0.0.1", 0)) as silent, monkeypatch.context() as patch:
        patch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        killed = it.start("--environment", "build")
        wait_until(lambda: list(environments.glob("*/build.log")))
        silent.settimeout(240)
        silent.accept()[0].close()
        os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate()
    wait_until(lambda: it.left_over() == [])
    assert [path for path in environments.iterdir() if path.is_symlink()] == []
    it.call(environment="build")
    assert it.output.read_text().startswith("1.26.")
    assert len(built_folders(environments)) == 1


@pytest.mark.parametrize(
    ("conda", "said"),
    [
        (
            {"dependencies": [{"pip": ["numpy==99.1"]}]},
            [
                "uv failed with exit code 1 while building an environment",
                "no version of numpy==99.1",
            ],
        ),
        ({"dependencies": ["python=3.8"]}, ["==3.8.*: an entry process needs Python >=3.10"]),
        (
            {"dependencies": ["openmpi=4.1", "cudatoolkit"]},
            ["openmpi=4.1, cudatoolkit", "micromamba"],
        ),
        (
            {"dependencies": [{"pip": ["numpy<2", "pyarrow==26.0.1"]}]},
            [
                "python failed with exit code 1 while building an environment",
                "pyarrow requires NumPy 2.0",
            ],
        ),
        ({"dependencies": [{"pip": ["-e ./mine"]}]}, ["-e ./mine", "publish it to an index"]),
    ],
)
def test_what_cannot_be_built(
    with_environment: Any, cache: Path, conda: dict[str, Any], said: list[str]
) -> None:
    it: Pipeline = with_environment(conda)
    before = built_folders(cache)
    output = it.run("--environment", "build", expect=2)
    assert "the environment of step step cannot be built" in output
    assert all(part in output for part in said), output
    assert "Traceback" not in output
    assert not (it.folder / "runs").exists()
    assert built_folders(cache) == before


def test_without_uv_it_says_how_to_get_it(
    with_environment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it: Pipeline = with_environment({"dependencies": [{"pip": ["six==1.15.0"]}]})
    # An environment of the driver's own packages in which there is no uv.
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    (site,) = (bare / "lib").glob("python3*/site-packages")
    (site / "all.pth").write_text("\n".join(path for path in sys.path if path))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    command = [str(bare / "bin" / "python"), *COMMAND[1:], "run", str(it.file), "--environment"]
    ended = subprocess.run(
        [*command, "build"], cwd=it.folder, env=it.environment, capture_output=True, text=True
    )
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "pip install 'prefect-parallel[environments]'" in ended.stderr


CONDA = """#!{python}
import subprocess, sys
(target,) = [word.removeprefix("--prefix=") for word in sys.argv if word.startswith("--prefix=")]
print("asked for", sys.argv[1:])
subprocess.run([{uv!r}, "venv", "--python", {python!r}, target], check=True)
"""


@pytest.fixture
def micromamba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the folder that micromamba would, as no conda channel can be reached from here."""
    program = tmp_path / "bin" / "micromamba"
    program.parent.mkdir()
    program.write_text(CONDA.format(python=sys.executable, uv=UV))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def test_a_command_may_have_any_python_and_gets_nothing_else(
    with_environment: Any, cache: Path, micromamba: None
) -> None:
    it: Pipeline = with_environment({"dependencies": ["python=3.7", "openmpi=4.1"]})
    before = set(built_folders(cache))
    it.change(
        "jobs.step",
        {
            "type": "command",
            "command": "python -c 'import sys; print(sys.prefix); import pandas' 2>&1 || true",
            "environment": {"conda_file": "conda.yml"},
        },
    )
    it.call(environment="build")
    (folder,) = set(built_folders(cache)) - before
    assert "'python==3.7.*', 'openmpi=4.1']" in (folder / "build.log").read_text()
    said = (it.step / "logs" / "std_log.txt").read_text()
    assert said.startswith(str(folder / "python"))
    assert "No module named 'pandas'" in said


def test_conda_packages_come_from_conda(
    with_environment: Any, cache: Path, micromamba: None
) -> None:
    conda = {
        "channels": ["mine"],
        "dependencies": ["python>=3.10", "openmpi=4.1", {"pip": ["numpy<2", "pyarrow<20"]}],
    }
    it: Pipeline = with_environment(conda)
    before = set(built_folders(cache))
    it.call(environment="build")
    assert it.output.read_text().startswith("1.26.")
    (folder,) = set(built_folders(cache)) - before
    log = (folder / "build.log").read_text()
    assert "'create', '--yes'" in log
    assert "'--channel=mine', 'python>=3.10', 'openmpi=4.1']" in log


def test_a_step_without_a_conda_file_runs_on_what_is_there(pipeline: Any, cache: Path) -> None:
    it: Pipeline = pipeline(TELL)
    said = it.call(environment="build")
    assert "warning  step step names no conda file" in said
    assert it.said().split()[0] == sys.executable


def test_debugging_takes_place_here(with_environment: Any) -> None:
    it: Pipeline = with_environment(OLD)
    debug = ["debug", str(it.file), "--step", "step", "--mini-batch", "0", "--no-pdb"]
    ended = subprocess.run([*COMMAND, *debug], capture_output=True, text=True, check=True)
    assert "warning: this interpreter does not meet numpy<2" in ended.stderr
    assert "debugging in this one" in ended.stderr
    assert ended.stdout.splitlines()[-1].startswith("['2.")
