"""Groups: neighboring mini-batches that share a task run if there are many of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect_parallel.data import MiniBatch, Piece

MAX_TASK_RUNS = 1000
"""Default number of mini-batches above which neighbors share a task run.

A task run costs the Prefect server some 30 ms of CPU, and a line in its UI.
"""

GROUPS_PER_SLOT = 4
"""Minimum number of task runs per slot on large clusters."""


@dataclass
class Work:
    """The expected work of some mini-batches.

    Attributes:
        mini_batches: Their number.
        extent: The size of their data in bytes or rows, as far as it is known without reading it.
    """

    mini_batches: int = 0
    extent: int = 0

    def add(self, mini_batch: MiniBatch) -> None:
        self.mini_batches += 1
        self.extent += _extent(mini_batch)


def groups(
    mini_batches: Iterable[MiniBatch], work: Work, max_task_runs: int = MAX_TASK_RUNS, *, slots: int
) -> Iterator[list[MiniBatch]]:
    """Yield groups of neighbors with about the same expected work, smaller ones towards the end.

    Half of a mini-batch's work is assumed to be constant, and half to be proportional to its
    extent.

    Args:
        mini_batches: In their order. They are consumed one group at a time.
        work: The work of all of them.
        max_task_runs: Up to this number, each mini-batch is a group of its own.
        slots: Number of groups that run at a time.
    """
    wanted = max(max_task_runs, GROUPS_PER_SLOT * slots)
    if work.mini_batches <= wanted:
        yield from ([mini_batch] for mini_batch in mini_batches)
        return
    mean = work.extent / work.mini_batches or 1.0
    left = work.mini_batches * mean + work.extent
    # Twice the mean, because groups towards the end are smaller.
    largest = 2 * left / wanted
    group: list[MiniBatch] = []
    size = 0.0
    for mini_batch in mini_batches:
        group.append(mini_batch)
        size += mean + _extent(mini_batch)
        # Towards the end, each slot has two more groups to run, and the last one is small.
        if size >= min(largest, left / (2 * slots)):
            yield group
            left -= size
            group, size = [], 0.0
    if group:
        yield group


def _extent(mini_batch: MiniBatch) -> int:
    in_files = mini_batch.unit == "files"
    return sum(_size(piece, whole=in_files) for piece in mini_batch.pieces)


def _size(piece: Piece, *, whole: bool) -> int:
    if whole:
        return piece.file.size or 0
    return 0 if piece.stop is None else piece.stop - piece.start
