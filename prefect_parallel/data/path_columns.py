"""The columns that a file's path gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from prefect_parallel.data.block import Block
from prefect_parallel.data.steps import PATH, Steps

# What takes files away and gives them no columns.
_ROW_STEPS = ("filter", "skip", "take", "take_random_sample")


class PathColumns:
    """The columns that a file's path gives."""

    def __init__(self, file_steps: Iterable[tuple[str, Any]], include_path: bool) -> None:
        steps = [step for step in file_steps if step[0] not in _ROW_STEPS]
        self._steps = Steps(steps)
        self._include_path = include_path
        self._last: tuple[str, dict[str, Any]] = ("", {})

    @property
    def names(self) -> list[str]:
        return list(self.of("/"))

    def of(self, path: str) -> dict[str, Any]:
        """One value each; `Path` first, if wanted."""
        if self._last[0] != path:
            block, _ = self._steps.apply(path_block([path]), (), Counter())
            columns = {n: c for n, c in block.columns.items() if n != PATH or self._include_path}
            self._last = path, columns
        return self._last[1]


def path_block(paths: Sequence[str]) -> Block:
    """A list of files as a table."""
    return Block(
        {PATH: pa.array([path.replace("\\", "/") for path in paths], pa.string())}, len(paths)
    )
