"""Builds Python environments, each once per machine.

An environment is built in a folder of its own and published by renaming a symbolic link to it, so
that a partial build is never used. The folder itself is not renamed, because conda writes its path
into files of the environment.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from packaging.specifiers import SpecifierSet

from prefect_parallel.entry.container import PYTHON, ContainerPython, get_image
from prefect_parallel.entry.container_engine import ContainerEngine
from prefect_parallel.entry.environment_spec import EnvironmentSpec
from prefect_parallel.entry.image import Image
from prefect_parallel.entry.interpreter import Interpreter
from prefect_parallel.entry.spawner import Spawner
from prefect_parallel.errors import EnvironmentBuildFailed
from prefect_parallel.layout import cache_folder

CONDAS = ("micromamba", "mamba", "conda")

STATIC_TOOLS = ("uv", "micromamba")
"""Programs without needs of their own, which run in any image."""

_PASSED = re.compile(r"UV_\w+(?<!_DIR)(?<!_FILE)|\w+_PROXY", re.IGNORECASE)
"""Variables of this process that tools in an image get: those that name no file."""

_IMPORT = "import sys; sys.tracebacklimit = 0; import {}"

DEFAULT_CHANNELS = ("conda-forge",)

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
    return Interpreter(_built(environment, _Here(), on_line))


def python_in(
    image: Image,
    environment: EnvironmentSpec | None,
    on_line: Callable[[str], None] = lambda _: None,
) -> ContainerPython:
    """The Python of an image, or that of an environment which is built in it.

    Raises:
        EnvironmentBuildFailed: The image cannot be pulled or built, or a tool is missing or failed.
    """
    engine = ContainerEngine.find()
    found = get_image(engine, image, on_line)
    path = engine.path_in(found)
    if environment is None:
        return ContainerPython(found, PYTHON, path)
    executable = _built(environment, _InImage(engine, found, environment.key), on_line)
    path = f"{executable.parent}{os.pathsep}{path}"
    return ContainerPython(found, str(executable), path, folder=cache_folder("environments"))


def _built(environment: EnvironmentSpec, where: _Where, on_line: Callable[[str], None]) -> Path:
    """The Python of an environment."""
    place = _Place(environment)
    if place.python is None:
        on_line("not built yet")
        with place.locked():
            if place.python is None:
                _build(environment, place, where, on_line)
    assert place.python is not None
    return place.python


class _Place:
    """The place of an environment on this machine."""

    def __init__(self, environment: EnvironmentSpec) -> None:
        self._parent = cache_folder("environments")
        self._link = self._parent / environment.key
        self._is_in_image = environment.image is not None

    @property
    def python(self) -> Path | None:
        """None until the environment is built, or if the Python that it is based on is gone."""
        python = self._link.resolve() / "python" / "bin" / "python"
        # What it is based on may be in the image.
        is_there = python.exists() or (self._is_in_image and python.is_symlink())
        return python if is_there else None

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


class _Where(Protocol):
    """Where an environment is built."""

    def tool(self, *names: str) -> str | None:
        """The path of the first program that is there."""

    def base(self, python: str) -> str:
        """The Python to build on, given the allowed versions: what uv finds or downloads."""

    def command(self, command: list[str]) -> list[str]:
        """The command line that runs another one there."""

    def clear(self) -> None:
        """End what may still run there."""


class _Here(_Where):
    """On this machine."""

    def tool(self, *names: str) -> str | None:
        return _tool(*names)

    def base(self, python: str) -> str:
        ours = ".".join(map(str, sys.version_info[:3]))
        return sys.executable if SpecifierSet(python).contains(ours) else python

    def command(self, command: list[str]) -> list[str]:
        return command

    def clear(self) -> None:
        """The spawner has ended it."""


@dataclass(frozen=True)
class _InImage(_Where):
    """In an image, with tools of this machine."""

    engine: ContainerEngine
    image: str
    key: str

    def tool(self, *names: str) -> str | None:
        # Images for conda have their own; only micromamba is a program that runs anywhere.
        return _tool(*(name for name in names if name in STATIC_TOOLS)) or names[-1]

    def base(self, python: str) -> str:
        return python

    def command(self, command: list[str]) -> list[str]:
        folder = cache_folder("environments")
        home = folder / "home"
        home.mkdir(exist_ok=True)
        certificates = ssl.get_default_verify_paths().cafile
        tools = filter(None, map(_tool, STATIC_TOOLS))
        passed = [name for name in os.environ if _PASSED.fullmatch(name)]
        return self.engine.run(
            self.image,
            command,
            folder=str(home),
            writable=[str(folder)],
            readable=[*tools, *([certificates] if certificates else [])],
            # uv keeps its cache, and the Pythons that it downloads, at home.
            variables=[f"HOME={home}", f"SSL_CERT_FILE={certificates or ''}", *passed],
            name=self._name,
        )

    def clear(self) -> None:
        self.engine.remove(self._name)

    @property
    def _name(self) -> str:
        return f"prefect-parallel-build-{self.key}"


def _build(
    environment: EnvironmentSpec, place: _Place, where: _Where, on_line: Callable[[str], None]
) -> None:
    uv = where.tool("uv")
    if uv is None:
        raise EnvironmentBuildFailed(
            "uv builds environments: pip install 'prefect-parallel[environments]'"
        )
    with place.new_folder() as folder:
        tools = _Tools(folder, where, on_line)
        python = folder / "python"
        requirements = folder / "requirements.txt"
        requirements.write_text("".join(f"{line}\n" for line in environment.pip), encoding="utf-8")
        try:
            if environment.conda:
                tools.run(_conda_command(environment, python, where.tool(*CONDAS)))
            else:
                tools.run([uv, "venv", "--python", where.base(environment.python), str(python)])
            executable = str(python / "bin" / "python")
            if environment.pip:
                tools.run([uv, "pip", "install", "--python", executable, "-r", str(requirements)])
            if environment.imports:
                # The installers do not notice all packages that do not work together.
                tools.run([executable, "-c", _IMPORT.format(", ".join(environment.imports))])
        finally:
            tools.close()


def _conda_command(environment: EnvironmentSpec, target: Path, program: str | None) -> list[str]:
    if program is None:
        raise EnvironmentBuildFailed(
            f"{', '.join(environment.conda)} need conda: install micromamba or conda, or list them"
            " under pip if they are on PyPI"
        )
    channels = environment.channels or DEFAULT_CHANNELS
    return [
        program,
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

    def __init__(self, folder: Path, where: _Where, on_line: Callable[[str], None]) -> None:
        self._folder = folder
        self._where = where
        where.clear()
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
                self._where.command(command),
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
        self._where.clear()

    def _tell(self, text: str) -> None:
        for line in map(str.strip, text.splitlines()):
            # Lines about single packages are for the log only.
            if line and not line.startswith(("+ ", "- ")):
                self._on_line(line)
