"""Durations as text."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """E.g. `850 µs`, `12.5 ms`, `3.2 s`, `5 min 02 s`, `2 h 10 min`."""
    # The limits are where three digits round to the next unit.
    if seconds < 0.0009995:
        return f"{1e6 * seconds:.0f} µs"
    if seconds < 0.9995:
        return f"{1e3 * seconds:.3g} ms"
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
