"""What a function returned, read from the aggregated output of its run."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from prefect_parallel.flow.run.step_data import aggregated_output, delimiter_of
from prefect_parallel.job import ParallelStep, load_pipeline, resolve
from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.formats import Text, format_for
from prefect_parallel.output.formats.text import allow_cells_of_any_size
from prefect_parallel.output.totals import count, records

BATCH_ROWS = 10_000


@dataclass(frozen=True)
class Returned:
    """What a function returned: iterated item by item, or all in one DataFrame.

    Attributes:
        file: The aggregated output.
        columns: The columns of a text file that was made of DataFrames; None for all others.
        header: Whether such a file begins with the names of the columns.
        delimiter: What separates its cells.
    """

    file: Path
    columns: tuple[str, ...] | None
    header: bool
    delimiter: str

    @classmethod
    def by(cls, name: str, run: RunDirectory) -> Returned:
        """What the function of a run has returned."""
        step = resolve(load_pipeline(run.job_file)).steps[name]
        assert isinstance(step, ParallelStep)
        directory = run.step(name)
        file = aggregated_output(step, directory)
        assert file is not None
        columns = None
        if isinstance(format_for(file.name), Text):
            with directory.plan.open("rb") as lines:
                totals = count(records(directory, sum(1 for _ in lines)))
            columns = totals.returns.common_columns()
        return cls(file, columns, step.append_row_dataframe_header, delimiter_of(step))

    def __iter__(self) -> Iterator[Any]:
        """The elements of lists, or the rows of DataFrames as dicts."""
        match self.file.suffix.lower():
            case ".parquet":
                yield from self._parquet_rows()
            case ".jsonl":
                with self.file.open(encoding="utf-8") as lines:
                    yield from map(json.loads, lines)
            case _:
                yield from self._text()

    def to_pandas(self) -> pd.DataFrame:
        """All of it; elements of lists are rows if they are dicts, else a column `value`."""
        frame: pd.DataFrame
        if self.file.suffix.lower() == ".parquet":
            frame = pq.read_table(self.file).to_pandas()
        elif self.columns is not None:
            names, header = (None, 0) if self.header else (self.columns, None)
            frame = pd.read_csv(
                self.file,
                names=names,
                header=header,
                sep=self.delimiter,
                # Only nothing is null, not the text NA, and the nearest double is taken.
                keep_default_na=False,
                na_values=[""],
                float_precision="round_trip",
            )
        else:
            items = list(self)
            are_rows = all(isinstance(item, dict) for item in items)
            frame = pd.DataFrame(items if are_rows else {"value": items})
        return frame

    def _parquet_rows(self) -> Iterator[Any]:
        with pq.ParquetFile(self.file) as file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                yield from batch.to_pylist()

    def _text(self) -> Iterator[Any]:
        # Names of files may hold bytes that are not UTF-8.
        with self.file.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
            if self.columns is None:
                yield from (line.removesuffix("\n") for line in lines)
                return
            names = None if self.header else self.columns
            allow_cells_of_any_size()
            yield from csv.DictReader(lines, names, delimiter=self.delimiter)
