"""Timestamps in logs: ISO 8601, UTC."""

from __future__ import annotations

from datetime import datetime, timezone


def format_timestamp(seconds: float, timespec: str = "milliseconds") -> str:
    """The text for a time given in seconds since the epoch.

    Args:
        seconds: The time.
        timespec: As for `datetime.isoformat`.
    """
    time = datetime.fromtimestamp(seconds, timezone.utc)
    return time.isoformat(timespec=timespec).replace("+00:00", "Z")


def parse_timestamp(text: str) -> float:
    """The inverse of `format_timestamp`.

    Raises:
        ValueError: The text is not an ISO 8601 timestamp.
    """
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
