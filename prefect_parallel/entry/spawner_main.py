"""The process behind `Spawner`: the parent of the processes that it starts.

It is a subreaper, and so is each entry process: descendants of an entry process stay below it while
it lives and become children of this process when it dies. A child that was not started here was
therefore left behind by a dead process and is killed, even after setsid or a double fork. On
systems without subreapers (macOS) the process group is killed instead.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from prefect_parallel.entry.prctl import become_subreaper
from prefect_parallel.entry.protocol import Channel

KILL_SECONDS = 10.0
"""How long a killed process may take to end. One in uninterruptible sleep may never do."""

_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
"""Unit of `ru_maxrss`."""


class _Children:
    """The running processes, and the exits of those that have ended."""

    def __init__(self, inherited: Mapping[str, str]) -> None:
        self._inherited = inherited
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._removals: dict[int, list[str]] = {}
        self._ended: dict[int, dict[str, int]] = {}
        # Killed, but still there.
        self._left_behind: set[int] = set()

    def start(self, request: dict[str, Any], descriptor: int | None) -> dict[str, Any]:
        arguments = [] if descriptor is None else [str(descriptor)]
        try:
            with (
                Path(request["stdout"]).open("ab") as out,
                Path(request["stderr"]).open("ab") as err,
            ):
                process = subprocess.Popen(
                    request["command"] + arguments,
                    cwd=request["folder"],
                    env={**self._inherited, **request["environment"]},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    pass_fds=[] if descriptor is None else [descriptor],
                    start_new_session=True,
                )
        except OSError as error:
            return {"error": str(error)}
        self._running[process.pid] = process
        self._removals[process.pid] = request["removal"]
        return {"pid": process.pid}

    def end(self, pid: int, *, patience: float = 0, grace: float = 0) -> dict[str, int]:
        self._wait(pid, time.monotonic() + patience)
        if grace and pid in self._running:
            os.kill(pid, signal.SIGTERM)
            self._wait(pid, time.monotonic() + grace)
        if pid in self._running and pid not in self._left_behind:
            os.kill(pid, signal.SIGKILL)
            self._wait(pid, time.monotonic() + KILL_SECONDS)
        self.sweep()
        if pid in self._running:
            self._left_behind.add(pid)
            return {"left_behind": pid}
        return self._ended.pop(pid, {"status": -signal.SIGKILL, "peak_memory": 0})

    def poll(self, pid: int) -> dict[str, int]:
        return {} if pid in self._running else self.end(pid)

    def send_signal(self, pid: int, number: int) -> dict[str, int]:
        if pid in self._running:
            os.kill(pid, number)
        return {}

    def end_all(self) -> None:
        for pid in list(self._running):
            self.end(pid)

    def reap(self) -> None:
        """Record all children that have ended."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            process = self._running.pop(pid, None)
            if process is not None:
                process.returncode = os.waitstatus_to_exitcode(status)
                self._kill_group(pid)
                _run(self._removals.pop(pid))
                self._ended[pid] = {
                    "status": process.returncode,
                    "peak_memory": usage.ru_maxrss * _MAXRSS_BYTES,
                }

    def sweep(self) -> None:
        """Kill the descendants that dead processes left behind until none is left."""
        until = time.monotonic() + KILL_SECONDS
        while strays := [
            child
            for child in _children_of(os.getpid())
            if child not in self._running and child not in self._left_behind
        ]:
            if time.monotonic() > until:
                self._left_behind.update(strays)
                return
            for stray in strays:
                # It is not reaped yet, so that the id is still its own.
                with suppress(PermissionError):
                    os.kill(stray, signal.SIGKILL)
            time.sleep(0.01)
            self.reap()

    def _wait(self, pid: int, until: float) -> None:
        while pid in self._running and time.monotonic() < until:
            self.reap()
            if pid in self._running:
                time.sleep(0.01)

    def _kill_group(self, pid: int) -> None:
        try:
            os.killpg(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return


def _run(command: list[str]) -> None:
    if command:
        nowhere = subprocess.DEVNULL
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                command,
                stdin=nowhere,
                stdout=nowhere,
                stderr=nowhere,
                timeout=KILL_SECONDS,
                check=False,
            )


def _children_of(parent: int) -> Iterator[int]:
    """The ids of the children of a process, without psutil, which an image need not have."""
    if sys.platform != "linux":
        # Nobody becomes the parent of processes that others leave behind.
        return
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            stat = (folder / "stat").read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        # The name, in parentheses, may contain blanks and parentheses.
        if int(stat.rpartition(")")[2].split()[1]) == parent:
            yield int(folder.name)


def main(where: str) -> None:
    """Serve one `Spawner` until it closes its connection.

    Args:
        where: The connection: the number of a file descriptor, or the path of a socket on which a
            `Spawner` outside this container listens. Processes then inherit what the image sets.
    """
    become_subreaper()
    if where.isdigit():
        connection, children = socket.socket(fileno=int(where)), _Children({})
        connection.set_inheritable(False)
    else:
        connection, children = socket.socket(socket.AF_UNIX), _Children(os.environ)
        connection.connect(where)
    channel = Channel(connection)
    died, died_write = os.pipe()
    os.set_blocking(died_write, False)
    signal.set_wakeup_fd(died_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([connection.fileno(), died], [], [])
        if died in ready:
            os.read(died, 4096)
            children.reap()
            children.sweep()
        if connection.fileno() in ready and not _serve(connection, channel, children):
            break
    children.end_all()
    children.sweep()


def _serve(connection: socket.socket, channel: Channel, children: _Children) -> bool:
    """Serve one request; False if the connection is closed."""
    try:
        mark, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
    except ConnectionResetError:
        return False
    request = channel.receive() if mark else None
    if request is None:
        return False
    if request["do"] == "start":
        answer = children.start(request, descriptors[0] if descriptors else None)
        for descriptor in descriptors:
            os.close(descriptor)
    elif request["do"] == "poll":
        answer = children.poll(request["pid"])
    elif request["do"] == "signal":
        answer = children.send_signal(request["pid"], request["number"])
    else:
        answer = children.end(request["pid"], patience=request["patience"], grace=request["grace"])
    try:
        channel.send(answer)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1])
