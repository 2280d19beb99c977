"""Names of columns, from the cells of a header line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prefect_parallel.data.formats.delimited_text import Cell


def clean_names(cells: Sequence[Cell], lead: int = 0) -> list[str]:
    """Names from the cells of a header: trimmed, none empty, none twice.

    Args:
        cells: The cells.
        lead: How many columns that the path gives stand before these.
    """
    return _unique(((cell or "").strip() for cell in cells), lead)


def extend_names(names: list[str], width: int) -> list[str]:
    """As many names as a row has cells."""
    return _unique([*names[:width], *[""] * (width - len(names))], 0)


def _unique(names: Iterable[str], lead: int) -> list[str]:
    """As in the reference, the numbers go on from name to name: x, y, x_1, y_2."""
    seen: dict[str, None] = {}
    number = 0
    for position, name in enumerate(names, lead + 1):
        name = name or f"Column{position}"
        while name in seen:
            number += 1
            name = f"{name}_{number}"
        seen[name] = None
    return list(seen)
