"""A network of two: this machine, and a namespace that reaches nothing else."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CHUNK = 65536


@dataclass
class Network:
    """The two ends of a cable.

    Attributes:
        namespace: The other end's.
        here: Address of this end.
        there: Of the other.
    """

    namespace: str
    here: str
    there: str
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    @property
    def prefix(self) -> list[str]:
        """Of commands that run at the other end."""
        return ["ip", "netns", "exec", self.namespace]

    def offer(self, url: str) -> str:
        """Let the other end reach a server on loopback here; gives its URL there."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        target = (parts.hostname, parts.port)

        async def serve() -> int:
            server = await asyncio.start_server(lambda *way: _join(target, *way), self.here, 0)
            return int(server.sockets[0].getsockname()[1])

        port = asyncio.run_coroutine_threadsafe(serve(), self._loop).result(10)
        return f"{parts.scheme}://{self.here}:{port}{parts.path}"


@contextmanager
def network() -> Iterator[Network]:
    """Lay the cable, and take it away again."""
    name = f"pp{os.getpid()}"
    # Several sessions of tests may run on a machine.
    net = f"10.213.{os.getpid() % 256}"
    it = Network(name, f"{net}.1", f"{net}.2")
    try:
        for command in (
            f"netns add {name}",
            f"link add {name} type veth peer name eth0 netns {name}",
            f"addr add {it.here}/30 dev {name}",
            f"link set {name} up",
            f"-n {name} addr add {it.there}/30 dev eth0",
            f"-n {name} link set eth0 up",
            f"-n {name} link set lo up",
        ):
            subprocess.run(["ip", *command.split()], check=True, capture_output=True)
        thread = threading.Thread(target=it._loop.run_forever, daemon=True)
        thread.start()
        yield it
        it._loop.call_soon_threadsafe(it._loop.stop)
        thread.join()
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


async def _join(
    target: tuple[str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    far_reader, far_writer = await asyncio.open_connection(*target)
    await asyncio.gather(copy_stream(reader, far_writer), copy_stream(far_reader, writer))


async def copy_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Forward bytes until one of the two ends."""
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
