"""Assigns entry processes to slots of their nodes: logs name processes, which are replaced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from prefect_parallel.output.attempts import Span

TOLERANCE = 0.001
"""By how many seconds logged times may differ from the true ones, through rounding."""


Process: TypeAlias = tuple[str, str]
"""Node and name of an entry process."""


def lives(spans: Iterable[Span]) -> dict[Process, tuple[float, float]]:
    """Process -> when its first span began, and when its last one ended."""
    found: dict[Process, tuple[float, float]] = {}
    for each in spans:
        key = (each.node, each.process)
        end = each.started_at + each.seconds
        start, until = found.get(key, (each.started_at, end))
        found[key] = (min(start, each.started_at), max(until, end))
    return found


def lanes(lives: Mapping[Process, tuple[float, float]]) -> dict[Process, str]:
    """Process -> lane, e.g. `node-0 slot 1`, in the order of nodes and slots.

    A process gets the first slot of its node that is free when it starts. The successor of a
    process that died thus gets its slot, and a node has as many lanes as slots.

    Args:
        lives: As `lives` returns them.
    """
    busy: dict[str, list[float]] = {}
    found: dict[Process, tuple[str, int]] = {}
    for (node, process), (start, until) in sorted(lives.items(), key=lambda item: item[1]):
        slots = busy.setdefault(node, [])
        free = (slot for slot, end in enumerate(slots) if end <= start + TOLERANCE)
        slot = next(free, len(slots))
        slots[slot : slot + 1] = [until]
        found[node, process] = (node, slot)
    ordered = sorted(found.items(), key=lambda item: (_natural(item[1][0]), item[1][1]))
    return {key: f"{node} slot {slot}" for key, (node, slot) in ordered}


def _natural(node: str) -> tuple[str, int, str]:
    """A sort key that puts `node-10` after `node-9`."""
    head, _, number = node.rpartition("-")
    return (head, int(number), "") if number.isdecimal() else (node, -1, "")
