"""A connection to a port of this machine that can be cut."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType

from tests.cluster.network import copy_stream


class Connection:
    """Passes on what it gets, in both directions, between an address of its own and a port."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._writers: list[asyncio.StreamWriter] = []
        self.address = ""

    def __enter__(self) -> Connection:
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        own_port = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)
        self.address = f"tcp://127.0.0.1:{own_port}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    def cut(self) -> None:
        """Break all connections that there are; new ones can be made."""

        async def close() -> None:
            for writer in self._writers:
                writer.transport.abort()
            self._writers.clear()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(10)

    async def _serve(self) -> int:
        server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, far_writer]
        await asyncio.gather(copy_stream(reader, far_writer), copy_stream(far_reader, writer))
