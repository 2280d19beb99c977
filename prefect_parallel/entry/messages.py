"""Validation of messages from entry processes.

A script can write to the socket, by mistake or on purpose, so messages are not trusted.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from prefect_parallel.entry.node_faults import FAULTS
from prefect_parallel.entry.protocol import ProtocolError

MAX_ERROR_CHARACTERS = 500
"""Length to which errors of one line are cut. Logs have the full text in the traceback."""

MAX_TRACEBACK_CHARACTERS = 1_000_000

_FIELDS: dict[str, dict[str, type]] = {
    "ready": {},
    "loaded": {"items": int},
    "returned": {},
    "done": {"record": dict},
    "failed": {"error": str, "traceback": str},
    "ended": {},
}
"""Event -> its fields."""


def validate_message(message: dict[str, Any], expected: Collection[str]) -> dict[str, Any]:
    """The message, with text that can be written to logs.

    Raises:
        ProtocolError: The event is not expected, or its fields are missing or of another type.
    """
    event = message.get("event")
    if not isinstance(event, str) or event not in expected:
        raise ProtocolError(f"not one of {', '.join(expected)}")
    for name, kind in _FIELDS[event].items():
        if type(message.get(name)) is not kind:
            raise ProtocolError(f"{event} without {name}")
    if event == "failed":
        return {
            **message,
            "error": one_line(message["error"]),
            "traceback": _as_text(message["traceback"]),
            "retry_after": _seconds(message.get("retry_after")),
            "node_fault": _fault(message.get("node_fault")),
        }
    return message


def one_line(error: str) -> str:
    """An error as one line of at most `MAX_ERROR_CHARACTERS` characters."""
    line = " ".join(_as_text(error[: 10 * MAX_ERROR_CHARACTERS]).split())
    return line if len(line) <= MAX_ERROR_CHARACTERS else line[: MAX_ERROR_CHARACTERS - 1] + "…"


def _seconds(value: object) -> float | None:
    return value if type(value) is float and value >= 0 else None


def _fault(value: object) -> str | None:
    return value if isinstance(value, str) and value in FAULTS else None


def _as_text(text: str) -> str:
    """The text without lone surrogates, which cannot be written to files."""
    return text.encode(errors="backslashreplace").decode()
