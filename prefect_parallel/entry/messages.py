"""What an entry process may say to its node, and when.

A script can reach the socket, by mistake or not: what comes is looked at before it counts.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from prefect_parallel.entry.protocol import ProtocolError

_FIELDS: dict[str, dict[str, type]] = {
    "ready": {},
    "loaded": {"items": int},
    "returned": {},
    "done": {"record": dict},
    "failed": {"error": str, "traceback": str},
    "ended": {},
}
"""Event -> what it has to tell."""


def validate_message(message: dict[str, Any], expected: Collection[str]) -> dict[str, Any]:
    """The message, fit to be written to logs.

    Args:
        message: As it came.
        expected: The events that may come now.

    Raises:
        ProtocolError: It is another, or is not what the event has to tell.
    """
    event = message.get("event")
    if not isinstance(event, str) or event not in expected:
        raise ProtocolError(f"not one of {', '.join(expected)}")
    for name, kind in _FIELDS[event].items():
        if type(message.get(name)) is not kind:
            raise ProtocolError(f"{event} without {name}")
    if event == "failed":
        error, traceback = _as_text(message["error"]), _as_text(message["traceback"])
        return {**message, "error": " ".join(error.split()), "traceback": traceback}
    return message


def _as_text(text: str) -> str:
    """Without halves of characters, which no file takes."""
    return text.encode(errors="backslashreplace").decode()
