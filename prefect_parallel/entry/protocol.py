"""Messages between a node and its entry processes: length-prefixed JSON over a socket.

JSON instead of pickle, so that nothing sent by a script can be executed in the node.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from typing import Any

_LENGTH = struct.Struct(">I")

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Well above any valid message; a larger length means that the other end is broken."""


_LONGEST_WAIT = 1_000_000.0
"""Seconds; `poll` takes 31 bits of milliseconds."""


class ProtocolError(Exception):
    """The other end sent something that is not a valid message."""


class Channel:
    """One end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = bytearray()

    def fileno(self) -> int:
        return self._connection.fileno()

    def send(self, message: dict[str, Any], deadline: float | None = None) -> None:
        """Send one message.

        Args:
            deadline: As for `receive`.

        Raises:
            OSError: The connection is closed, or the deadline passed.
        """
        text = json.dumps(message).encode()
        if deadline is not None:
            self._connection.settimeout(_remaining(deadline))
        try:
            self._connection.sendall(_LENGTH.pack(len(text)) + text)
        finally:
            if deadline is not None:
                self._connection.settimeout(None)

    def receive(self, deadline: float | None = None) -> dict[str, Any] | None:
        """Wait for the next message; None if the connection is closed.

        Args:
            deadline: On the clock of `time.monotonic()`; None for no deadline.

        Raises:
            TimeoutError: The deadline passed.
            ProtocolError: The data is not a valid message.
        """
        header = self._take(_LENGTH.size, deadline)
        if header is None:
            return None
        (length,) = _LENGTH.unpack(header)
        if length > MAX_MESSAGE_BYTES:
            raise ProtocolError(f"a message of {length} bytes is too large")
        text = self._take(length, deadline)
        if text is None:
            return None
        try:
            message = json.loads(text.decode())
        except (ValueError, RecursionError) as error:
            raise ProtocolError(f"a message is not JSON: {error}") from error
        if not isinstance(message, dict):
            raise ProtocolError("a message is not a JSON object")
        return message

    def close(self) -> None:
        self._connection.close()

    def _take(self, length: int, deadline: float | None) -> bytes | None:
        while len(self._received) < length:
            if deadline is not None:
                self._wait_until_readable(deadline)
            try:
                chunk = self._connection.recv(max(length - len(self._received), 65536))
            except ConnectionResetError:
                return None
            if not chunk:
                return None
            self._received += chunk
        taken = bytes(self._received[:length])
        del self._received[:length]
        return taken

    def _wait_until_readable(self, deadline: float) -> None:
        # A timeout of the socket would be set for each message, which takes as long as to receive
        # one.
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        while not poll.poll(min(_remaining(deadline), _LONGEST_WAIT) * 1000):
            pass


def _remaining(deadline: float) -> float:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    return remaining
