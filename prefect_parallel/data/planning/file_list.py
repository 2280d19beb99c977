"""The files that an MLTable names, after the transformations that work on them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from prefect_parallel.data.columns.row_batch import Block
from prefect_parallel.data.columns.table_schema import join
from prefect_parallel.data.mini_batch import File
from prefect_parallel.data.mltable.mltable import MLTable
from prefect_parallel.data.transformations.path_columns import path_block
from prefect_parallel.data.transformations.transforms import HIDDEN, Transforms, make_transform
from prefect_parallel.errors import InvalidInput

if TYPE_CHECKING:
    import pandas as pd

_BATCH = 1000
_NUMBER = HIDDEN + "number"


class FileList:
    """The files, in their order; iterated from the start each time."""

    def __init__(self, table: MLTable) -> None:
        """Takes the table that lists them.

        Raises:
            InvalidMLTable: One of its transformations cannot be made.
        """
        for each in (*table.file_transformations, *table.row_transformations):
            try:
                make_transform(*each.written)
            except ValueError as error:
                raise table.problem(each, str(error)) from error
        self._table = table
        self._written = [each.written for each in table.file_transformations]

    def __iter__(self) -> Iterator[File]:
        if not self._written:
            yield from self._table.files()
            return
        for files, _ in self.blocks():
            yield from files

    def to_pandas(self) -> pd.DataFrame:
        """The column `Path`, and those that transformations add."""
        blocks = [block for _, block in self.blocks()]
        columns = {n: c for n, c in join(blocks).columns.items() if n != _NUMBER}
        frame: pd.DataFrame = pa.table(columns).to_pandas()
        return frame

    def blocks(self) -> Iterator[tuple[list[File], Block]]:
        """Files, some at a time, and the table that they are: `Path` and what the paths give.

        Raises:
            InvalidInput: A transformation does not fit the files.
        """
        transforms = Transforms(self._written)
        entered = [0] * len(transforms.counting)
        files = self._table.files()
        while batch := list(itertools.islice(files, _BATCH)):
            numbered = path_block([file.path for file in batch])
            numbered = numbered.with_columns({_NUMBER: pa.array(range(len(batch)))})
            try:
                block, reached = transforms.apply(numbered, entered)
            except ValueError as error:
                raise InvalidInput(f"{self._table.path}: {error}") from error
            entered = [before + more for before, more in zip(entered, reached, strict=True)]
            numbers = block.columns[_NUMBER]
            yield [batch[int(str(number))] for number in numbers], block
            if transforms.exhausted(entered):
                return
