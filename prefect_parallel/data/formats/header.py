"""Column names from header lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prefect_parallel.data.formats.delimited_text import Cell


def clean_names(cells: Sequence[Cell], lead: int = 0) -> list[str]:
    """Makes names from a header behind `lead` path columns: stripped, not empty, unique."""
    return _unique(((cell or "").strip() for cell in cells), lead)


def extend_names(names: list[str], width: int) -> list[str]:
    """Pads or cuts names to `width`."""
    return _unique([*names[:width], *[""] * (width - len(names))], 0)


def _unique(names: Iterable[str], lead: int) -> list[str]:
    """Numbers duplicates consecutively, as Azure's mltable 1.7 does: x, y, x_1, y_2."""
    seen: dict[str, None] = {}
    number = 0
    for position, name in enumerate(names, lead + 1):
        name = name or f"Column{position}"
        while name in seen:
            number += 1
            name = f"{name}_{number}"
        seen[name] = None
    return list(seen)
