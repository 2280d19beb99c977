"""Durations as text."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """E.g. `850 µs`, `12.5 ms`, `3.2 s`, `5 min 02 s`, `2 h 10 min`."""
    if seconds < 0.001:
        return f"{1e6 * seconds:.0f} µs"
    if seconds < 1:
        return f"{1e3 * seconds:.3g} ms"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02.0f} s" if minutes else f"{rest:.3g} s"
