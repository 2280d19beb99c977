"""Names of columns, from the cells of a header line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prefect_parallel.data.cells import Cell


def clean_names(cells: Sequence[Cell]) -> list[str]:
    """Names from the cells of a header: trimmed, none empty, none twice."""
    return _unique((cell or "").strip() for cell in cells)


def extend_names(names: list[str], width: int) -> list[str]:
    """As many names as a row has cells."""
    return _unique([*names[:width], *[""] * (width - len(names))])


def _unique(names: Iterable[str]) -> list[str]:
    seen: dict[str, None] = {}
    for position, name in enumerate(names, 1):
        base = name or f"Column{position}"
        name, number = base, 0
        while name in seen:
            number += 1
            name = f"{base}_{number}"
        seen[name] = None
    return list(seen)
