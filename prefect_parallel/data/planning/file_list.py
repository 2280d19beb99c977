"""The files of an MLTable, after the transformations of the list of files."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from prefect_parallel.data.columns.row_batch import RowBatch
from prefect_parallel.data.columns.table_schema import join
from prefect_parallel.data.mini_batch import File
from prefect_parallel.data.mltable.mltable import MLTable
from prefect_parallel.data.transformations.path_columns import path_batch
from prefect_parallel.data.transformations.transforms import HIDDEN, Transforms, make_transform
from prefect_parallel.errors import InvalidInput

if TYPE_CHECKING:
    import pandas as pd

_FILES_AT_A_TIME = 1000
_NUMBER = HIDDEN + "number"


class FileList:
    """The files in order. Each iteration lists them anew."""

    def __init__(self, table: MLTable) -> None:
        """Checks the transformations of a table.

        Raises:
            InvalidMLTable: One of its transformations cannot be made.
        """
        for each in (*table.file_transformations, *table.row_transformations):
            try:
                make_transform(*each.spec)
            except ValueError as error:
                raise table.problem(each, str(error)) from error
        self._table = table
        self._specs = [each.spec for each in table.file_transformations]

    def __iter__(self) -> Iterator[File]:
        if not self._specs:
            yield from self._table.files()
            return
        for files, _ in self.batches():
            yield from files

    def to_pandas(self) -> pd.DataFrame:
        """A DataFrame with the column `Path` and those that transformations add."""
        batches = [batch for _, batch in self.batches()]
        columns = {n: c for n, c in join(batches).columns.items() if n != _NUMBER}
        frame: pd.DataFrame = pa.table(columns).to_pandas()
        return frame

    def batches(self) -> Iterator[tuple[list[File], RowBatch]]:
        """Yields batches of files, each with the rows `Path` and the columns that paths determine.

        Raises:
            InvalidInput: A transformation does not fit the files.
        """
        transforms = Transforms(self._specs)
        row_offsets = [0] * len(transforms.counting)
        files = self._table.files()
        while listed := list(itertools.islice(files, _FILES_AT_A_TIME)):
            numbered = path_batch([file.path for file in listed])
            numbered = numbered.with_columns({_NUMBER: pa.array(range(len(listed)))})
            try:
                batch, row_counts = transforms.apply(numbered, row_offsets)
            except ValueError as error:
                raise InvalidInput(f"{self._table.path}: {error}") from error
            row_offsets = transforms.advanced(row_offsets, row_counts)
            numbers = batch.columns[_NUMBER]
            yield [listed[int(str(number))] for number in numbers], batch
            if transforms.drops_all_from(row_offsets):
                return
