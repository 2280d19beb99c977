"""Assigns entry processes to slots of their nodes: logs name processes, which are replaced."""

from __future__ import annotations

from collections.abc import Iterable

from prefect_parallel.output.run_log import Span

TOLERANCE = 0.001
"""By how many seconds logged times may differ from the true ones, through rounding."""


def lanes(spans: Iterable[Span]) -> dict[tuple[str, str], str]:
    """Node and process -> lane, e.g. `node-0 slot 1`, in the order of nodes and slots.

    A process gets the first slot of its node that is free when it starts. The successor of a
    process that died thus gets its slot, and a node has as many lanes as slots.
    """
    lives: dict[tuple[str, str], tuple[float, float]] = {}
    for each in spans:
        key = (each.node, each.process)
        end = each.started_at + each.seconds
        start, until = lives.get(key, (each.started_at, end))
        lives[key] = (min(start, each.started_at), max(until, end))
    busy: dict[str, list[float]] = {}
    found: dict[tuple[str, str], tuple[str, int]] = {}
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
