"""Builds Python environments, each once per machine.

An environment is built in a folder of its own and published by renaming a symbolic link to it, so
that a partial build is never used. The folder itself is not renamed, because conda writes its path
into files of the environment.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from packaging.specifiers import SpecifierSet

from prefect_parallel.entry.environment_spec import NEEDED, EnvironmentSpec
from prefect_parallel.entry.interpreter import Interpreter
from prefect_parallel.entry.spawner import Spawner
from prefect_parallel.errors import EnvironmentBuildFailed
from prefect_parallel.layout import cache_folder

CONDAS = ("micromamba", "mamba", "conda")

DEFAULT_CHANNELS = ("conda-forge",)

_CHECK = f"import sys; sys.tracebacklimit = 0; import {', '.join(NEEDED.values())}"

POLL_SECONDS = 0.1

SYSTEM_CERTIFICATES = {"UV_SYSTEM_CERTS": "true", "UV_NATIVE_TLS": "true"}
"""Make uv use the system's certificates, as pip does; older versions know the second name."""

LAST_LINES = 40
"""Number of lines of a tool's output shown in an error."""


def interpreter_for(environment: EnvironmentSpec | None) -> Interpreter:
    """The interpreter for processes of a step: of its environment if it has one, else this Python.

    Raises:
        EnvironmentBuildFailed: A tool is missing or failed.
    """
    return Interpreter.own() if environment is None else build_environment(environment)


def build_environment(
    environment: EnvironmentSpec, on_line: Callable[[str], None] = lambda _: None
) -> Interpreter:
    """The interpreter of an environment, which is built unless this machine has it.

    `on_line` is called with each line that the tools print.

    Raises:
        EnvironmentBuildFailed: A tool is missing or failed.
    """
    place = _Place(environment.key)
    if place.interpreter is None:
        on_line("not built yet")
        with place.locked():
            if place.interpreter is None:
                _build(environment, place, on_line)
    assert place.interpreter is not None
    return place.interpreter


def missing_tool(environment: EnvironmentSpec) -> str | None:
    """What has to be installed to build an environment; None if everything is there."""
    if _tool("uv") is None:
        return "uv builds environments: pip install 'prefect-parallel[environments]'"
    if environment.conda and _tool(*CONDAS) is None:
        return (
            f"{', '.join(environment.conda)} need conda: install micromamba or conda, or list them"
            " under pip if they are on PyPI"
        )
    return None


class _Place:
    """The place of an environment on this machine."""

    def __init__(self, key: str) -> None:
        self._parent = cache_folder("environments")
        self._link = self._parent / key

    @property
    def interpreter(self) -> Interpreter | None:
        """None until the environment is built, or if the Python that it is based on is gone."""
        executable = self._link.resolve() / "python" / "bin" / "python"
        return Interpreter(executable) if executable.exists() else None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock on building the environment on this machine."""
        self._parent.mkdir(parents=True, exist_ok=True)
        with self._link.with_suffix(".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def new_folder(self) -> Iterator[Path]:
        """A folder to build in, which becomes the environment unless an exception is raised."""
        for left_over in self._parent.glob(f"{self._link.name}-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{self._link.name}-", dir=self._parent))
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        link = folder / "link"
        link.symlink_to(folder.name)
        link.replace(self._link)


def _build(environment: EnvironmentSpec, place: _Place, on_line: Callable[[str], None]) -> None:
    missing = missing_tool(environment)
    if missing is not None:
        raise EnvironmentBuildFailed(missing)
    uv = str(_tool("uv"))
    with place.new_folder() as folder:
        tools = _Tools(folder, on_line)
        python = folder / "python"
        requirements = folder / "requirements.txt"
        requirements.write_text("".join(f"{line}\n" for line in environment.pip), encoding="utf-8")
        try:
            if environment.conda:
                tools.run(_conda_command(environment, python))
            else:
                tools.run([uv, "venv", "--python", _python(environment.python), str(python)])
            executable = str(python / "bin" / "python")
            tools.run([uv, "pip", "install", "--python", executable, "-r", str(requirements)])
            # The installers do not notice all packages that do not work together.
            tools.run([executable, "-c", _CHECK])
        finally:
            tools.close()


def _python(versions: str) -> str:
    """The Python to build on: this one if it is allowed, else what uv finds or downloads."""
    ours = ".".join(map(str, sys.version_info[:3]))
    return sys.executable if SpecifierSet(versions).contains(ours) else versions


def _conda_command(environment: EnvironmentSpec, target: Path) -> list[str]:
    channels = environment.channels or DEFAULT_CHANNELS
    return [
        str(_tool(*CONDAS)),
        "create",
        "--yes",
        f"--prefix={target}",
        *(f"--channel={channel}" for channel in channels),
        f"python{environment.python}",
        *environment.conda,
    ]


def _tool(*names: str) -> str | None:
    """Path of the first program that is found beside this Python or on PATH."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


class _Tools:
    """Runs programs that end with this process, whatever ends it."""

    def __init__(self, folder: Path, on_line: Callable[[str], None]) -> None:
        self._folder = folder
        self._log = folder / "build.log"
        self._on_line = on_line
        self._spawner = Spawner()

    def run(self, command: list[str]) -> None:
        """Run a program and wait for it, or raise `EnvironmentBuildFailed`."""
        self._log.touch()
        with self._log.open(encoding="utf-8", errors="replace") as output:
            output.seek(0, os.SEEK_END)
            start = output.tell()
            pid = self._spawner.start(
                command,
                folder=self._folder,
                environment={**SYSTEM_CERTIFICATES, **os.environ},
                stdout=self._log,
                stderr=self._log,
            )
            while (exit_ := self._spawner.poll(pid)) is None:
                self._tell(output.read())
                time.sleep(POLL_SECONDS)
            output.seek(start)
            if exit_.status != 0:
                text = "\n".join(output.read().splitlines()[-LAST_LINES:])
                name = Path(command[0]).name
                raise EnvironmentBuildFailed(
                    f"{name} failed with {exit_} while building an environment:\n{text}"
                )

    def close(self) -> None:
        self._spawner.close()

    def _tell(self, text: str) -> None:
        for line in map(str.strip, text.splitlines()):
            # Lines about single packages are for the log only.
            if line and not line.startswith(("+ ", "- ")):
                self._on_line(line)
