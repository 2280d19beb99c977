"""The container of a step on a node, in which its entry processes run."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from prefect_parallel.entry.container_engine import LAST_LINES, ContainerEngine
from prefect_parallel.entry.environment_spec import NEEDED
from prefect_parallel.entry.image import Image
from prefect_parallel.entry.interpreter import PACKAGE
from prefect_parallel.entry.spawner import SPAWNER_MODULE, Launched
from prefect_parallel.errors import EnvironmentBuildFailed

PACKAGE_FOLDER = "/opt/prefect-parallel"
"""The folder in a container that contains this package and nothing else."""

PYTHON = "python3"

ACCEPT_SECONDS = 0.1
"""How often it is looked whether a container that starts has failed."""

_CHECK = f"""
import importlib.util, sys
if sys.version_info < (3, 10):
    sys.exit("its Python is " + sys.version.split()[0] + "; 3.10 or newer is needed")
missing = [name for name in {list(NEEDED.values())} if importlib.util.find_spec(name) is None]
if missing:
    sys.exit("its Python has no " + ", ".join(missing))
"""


def get_image(
    engine: ContainerEngine, image: Image, on_line: Callable[[str], None] = lambda _: None
) -> str:
    """The id of an image, which is pulled or built unless this machine has it.

    Raises:
        EnvironmentBuildFailed: It cannot be, or is another than that of the driver.
    """
    if image.context is not None:
        return engine.build(image.name, image.context, image.dockerfile, on_line)
    found = engine.pull(image.name, on_line)
    if image.id not in (None, found):
        raise EnvironmentBuildFailed(
            f"the image {image.name} of this node has the id {found}, that of the driver"
            f" {image.id}: pull it again, or name it by its digest"
        )
    return found


@dataclass(frozen=True)
class ContainerPython:
    """The Python in an image, or one that was built in it.

    Attributes:
        image: The image's id.
        executable: Its path or name in the image.
        path: The `PATH` of its processes.
        folder: The folder of this machine that it is in; None: it is the image's own.
    """

    image: str
    executable: str
    path: str
    folder: Path | None = None

    def variables(self, given: Mapping[str, str]) -> dict[str, str]:
        """Environment variables of a process, beside those that the image sets."""
        found_first = [PACKAGE_FOLDER, *filter(None, [given.get("PYTHONPATH")])]
        return {"PATH": self.path, **given, "PYTHONPATH": os.pathsep.join(found_first)}


def check_python(image: str, options: Sequence[str]) -> None:
    """Check that entry processes can run on the Python in an image, given by its id.

    Raises:
        EnvironmentBuildFailed: There is none, it is too old, or it lacks a package.
    """
    engine = ContainerEngine.find()
    command = engine.run(image, [PYTHON, "-c", _CHECK], folder="/", options=options)
    ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if ended.returncode != 0:
        raise EnvironmentBuildFailed(
            f"entry processes cannot run in it: {_last_lines(ended.stderr)}\nThey need Python 3.10"
            f" or newer with {', '.join(NEEDED)}; with a conda_file beside the image, they get it"
        )


def launch_in(image: Image, python: ContainerPython, folder: str, seconds: float) -> Launched:
    """Start a container with a spawner process.

    Args:
        folder: The only one that processes may write to.
        seconds: How long the container may take to start.

    Raises:
        EnvironmentBuildFailed: It does not start.
    """
    engine, name = ContainerEngine.find(), f"prefect-parallel-{uuid.uuid4().hex[:12]}"
    readable = [path for path in image.readable if Path(path).exists()]
    with (
        # The path of a socket has at most 107 bytes.
        tempfile.TemporaryDirectory(prefix="prefect-parallel-", dir="/tmp") as scratch,
        socket.socket(socket.AF_UNIX) as listener,
    ):
        address, output = f"{scratch}/spawner", Path(scratch, "output")
        listener.bind(address)
        listener.listen(1)
        with output.open("wb") as file:
            process = subprocess.Popen(
                engine.run(
                    python.image,
                    [python.executable, "-m", SPAWNER_MODULE, address],
                    folder=PACKAGE_FOLDER,
                    writable=[scratch, folder],
                    readable=[*readable, *([str(python.folder)] if python.folder else [])],
                    mounts=[(str(PACKAGE), f"{PACKAGE_FOLDER}/{PACKAGE.name}")],
                    options=image.options,
                    name=name,
                ),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

        def kill() -> None:
            engine.remove(name)
            process.kill()

        connection = _accept(listener, process, time.monotonic() + seconds)
        if connection is None:
            kill()
            process.wait()
            said = _last_lines(output.read_text(errors="replace"))
            raise EnvironmentBuildFailed(f"no container of {image.name} could be started: {said}")
    spawner = _peer(connection)
    return Launched(process, connection, kill, seen_as=lambda pid: _seen_as(spawner, pid))


def _accept(
    listener: socket.socket, process: subprocess.Popen[bytes], until: float
) -> socket.socket | None:
    """The connection of a container; None if it has ended, or has none in time."""
    listener.settimeout(ACCEPT_SECONDS)
    while process.poll() is None and time.monotonic() < until:
        with suppress(TimeoutError):
            return listener.accept()[0]
    return None


def _peer(connection: socket.socket) -> int:
    """The id by which this process sees the other end of a connection."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("3i", credentials)[0])


def _seen_as(parent: int, pid: int) -> int:
    """The id of a child by which this process sees it; 0 if it has ended."""
    try:
        children = psutil.Process(parent).children()
    except psutil.NoSuchProcess:
        return 0
    return next((child.pid for child in children if _own_id(child.pid) == pid), 0)


def _own_id(pid: int) -> int | None:
    """The id of a process in its own namespace; None if it has ended."""
    try:
        status = Path("/proc", str(pid), "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    ids = next(line for line in status.splitlines() if line.startswith("NSpid:"))
    return int(ids.split()[-1])


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-LAST_LINES:])
