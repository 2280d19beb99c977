"""The columns that a file's path gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from prefect_parallel.data.columns.row_batch import Block, Column
from prefect_parallel.data.mltable.mltable import Written
from prefect_parallel.data.transformations.transforms import PATH, Transforms

# What takes files away and gives them no columns.
_OF_ROWS = ("filter", "skip", "take", "take_random_sample")


class PathColumns:
    """The columns that a file's path gives."""

    def __init__(self, written: Iterable[Written], include_path: bool) -> None:
        self._transforms = Transforms(
            (name, options) for name, options in written if name not in _OF_ROWS
        )
        self._include_path = include_path
        self._last: tuple[str, dict[str, Any]] = ("", {})

    @property
    def names(self) -> list[str]:
        return list(self.of("/"))

    def of(self, path: str) -> dict[str, Any]:
        """One value each; `Path` first, if wanted."""
        if self._last[0] != path:
            block, _ = self._transforms.apply(path_block([path]), ())
            columns = {n: c for n, c in block.columns.items() if n != PATH or self._include_path}
            self._last = path, columns
        return self._last[1]


def put_in_front(path_columns: dict[str, Any], block: Block) -> Block:
    """The columns that the path gives, then the block's.

    Raises:
        ValueError: The block has such a column already.
    """
    return replace(block, columns={**_spread(path_columns, block), **block.columns})


def put_around(path_columns: dict[str, Any], block: Block) -> Block:
    """`Path` in front of a block's columns, and the rest behind them.

    Raises:
        ValueError: The block has such a column already.
    """
    spread = _spread(path_columns, block)
    lead = {name: spread.pop(name) for name in (PATH,) if name in spread}
    return replace(block, columns={**lead, **block.columns, **spread})


def _spread(path_columns: dict[str, Any], block: Block) -> dict[str, Column]:
    """Each value as often as the block has rows."""
    clash = next((name for name in path_columns if name in block.columns), None)
    if clash is not None:
        raise ValueError(f"the column {clash!r} is in the data and comes from the path, too")
    return {name: pa.repeat(value[0], block.rows) for name, value in path_columns.items()}


def path_block(paths: Sequence[str]) -> Block:
    """A list of files as a table."""
    return Block(
        {PATH: pa.array([path.replace("\\", "/") for path in paths], pa.string())}, len(paths)
    )
