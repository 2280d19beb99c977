"""Moments as logs have them: ISO 8601, UTC, to the millisecond."""

from __future__ import annotations

from datetime import datetime, timezone


def written(seconds: float) -> str:
    """A moment, in seconds since the epoch, as text."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read(moment: str) -> float:
    """And back again.

    Raises:
        ValueError: It is none.
    """
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()
