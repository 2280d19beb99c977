"""The reader of tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from prefect_parallel.data.columns.kinds import count_nulls
from prefect_parallel.data.columns.row_batch import RowBatch
from prefect_parallel.data.columns.table_schema import join, values_of
from prefect_parallel.data.formats import make_format
from prefect_parallel.data.locations.datastores import NO_DATASTORES, Datastores
from prefect_parallel.data.locations.location import Location
from prefect_parallel.data.mini_batch import MiniBatch, Piece
from prefect_parallel.data.reading.table_recipe import TableRecipe
from prefect_parallel.data.transformations.path_columns import PathColumns
from prefect_parallel.data.transformations.transforms import Transforms
from prefect_parallel.errors import UnreadableMiniBatch

if TYPE_CHECKING:
    import pandas as pd


class TableReader:
    """Reads mini-batches of a table."""

    def __init__(self, recipe: TableRecipe, datastores: Datastores = NO_DATASTORES) -> None:
        self.values_set_to_null: dict[str, int] = {}
        self.uneven_rows = 0
        self.first_uneven_row = ""
        self._datastores = datastores
        self.format = make_format(recipe.format, recipe.options, recipe.facts, datastores)
        self.transforms = Transforms(recipe.row_transformations)
        self._path_columns = PathColumns(recipe.file_transformations, recipe.includes_path)
        self._schema = recipe.schema
        self._objects = _object_columns(self.format.pandas_metadata)

    def read(self, mini_batch: MiniBatch) -> pd.DataFrame:
        batch = self.batch(mini_batch)
        self.values_set_to_null = dict(batch.values_set_to_null)
        self.uneven_rows = batch.uneven_rows
        self.first_uneven_row = batch.first_uneven_row
        try:
            return self.to_pandas(batch)
        except pa.ArrowException as error:
            raise UnreadableMiniBatch(
                f"{mini_batch.describe()}: cannot be converted to a DataFrame: {error}"
            ) from error

    def read_items(self, mini_batch: MiniBatch, items: range) -> pd.DataFrame:
        import pandas as pd

        frame = self.read(mini_batch)
        some: pd.DataFrame = frame.iloc[items.start : items.stop]
        return some.reset_index(drop=True) if isinstance(frame.index, pd.RangeIndex) else some

    def batch(self, mini_batch: MiniBatch) -> RowBatch:
        """Reads the rows of a mini-batch, with the columns of the table."""
        batches = [self.piece(piece) for piece in mini_batch.pieces]
        if self._schema is not None:
            batches = [self._schema.align(batch) for batch in batches]
        return batches[0] if len(batches) == 1 else join(batches)

    def no_rows(self) -> RowBatch:
        """An empty batch with the columns of the table."""
        empty = RowBatch({}, 0)
        return self._schema.align(empty) if self._schema else empty

    def piece(self, piece: Piece) -> RowBatch:
        """Reads the rows of a piece."""
        return self.finish(self.transformed(piece)[0], piece)

    def count(self, piece: Piece) -> int:
        """Number of rows of a piece, before the row transformations."""
        try:
            return self.format.count(piece)
        except (ValueError, OSError, pa.ArrowException) as error:
            raise UnreadableMiniBatch(f"{piece.file.path}: {error}") from error

    def finish(self, batch: RowBatch, piece: Piece) -> RowBatch:
        """Gives each column one type."""
        try:
            return self.format.finish(batch, piece)
        except (ValueError, pa.ArrowException) as error:
            raise UnreadableMiniBatch(f"{piece.file.path}: {error}") from error

    def transformed(self, piece: Piece) -> tuple[RowBatch, list[int]]:
        """Reads and transforms the rows of a piece, without `finish`.

        Returns:
            The rows, and how many rows reached each counting transformation.
        """
        path = piece.file.path
        Location(path, self._datastores).check_unchanged(piece.file)
        try:
            batch = self.format.read(piece, self.path_columns(path))
            batch, row_counts = self.transforms.apply(batch, piece.row_offsets)
        except (ValueError, OSError, pa.ArrowException) as error:
            raise UnreadableMiniBatch(f"{path}: {error}") from error
        return batch, row_counts

    def path_columns(self, path: str) -> dict[str, Any]:
        return self._path_columns.of(path)

    def to_pandas(self, batch: RowBatch) -> pd.DataFrame:
        """Converts rows to the DataFrame that `run` gets."""
        import pandas as pd

        arrays = self._arrays(batch)
        table = pa.table(arrays)
        if self.format.pandas_metadata:
            table = table.replace_schema_metadata({"pandas": self.format.pandas_metadata})
        frame: pd.DataFrame = table.to_pandas()
        if not arrays:
            frame = pd.DataFrame(index=pd.RangeIndex(batch.rows))
        for position, (name, column) in enumerate(batch.columns.items()):
            if name not in arrays:
                values = pd.Series(values_of(column), dtype=object, index=frame.index)
                frame.insert(position, name, values)
        for name, array in arrays.items():
            if _nests_integers(array.type) and name in frame and frame[name].dtype == object:
                # Those beside a null have become doubles.
                frame[name] = array.to_pandas(integer_object_nulls=True).to_numpy()
        for name in self._objects & arrays.keys():
            if frame[name].dtype.kind in "iufb":
                frame[name] = pd.Series(arrays[name].to_pylist(), dtype=object, index=frame.index)
        for name in self._schema.nullable if self._schema else ():
            if name not in frame or pd.api.types.is_extension_array_dtype(frame[name].dtype):
                continue
            if frame[name].dtype.kind in "iu":
                frame[name] = frame[name].astype("float64")
            elif frame[name].dtype.kind == "b":
                frame[name] = frame[name].astype(object)
        return frame

    def _arrays(self, batch: RowBatch) -> dict[str, pa.Array[Any]]:
        """The columns whose values have one type, in the batch and in the table."""
        types = self._schema.types if self._schema else {}
        return {
            name: column
            for name, column in batch.columns.items()
            if isinstance(column, pa.Array)
            and not pa.types.is_union(column.type)
            and types.get(name, column.type) is not None
        }


def _object_columns(pandas_metadata: str | None) -> set[str]:
    """The columns of Python objects, which pandas reads as numbers if all of them are."""
    columns = json.loads(pandas_metadata)["columns"] if pandas_metadata else []
    return {each.get("field_name") for each in columns if each["numpy_type"] == "object"}


def _nests_integers(type_: pa.DataType) -> bool:
    """Whether it is the type of lists or structs with integers at any depth."""
    if not pa.types.is_nested(type_):
        return False
    inner = [type_.field(at).type for at in range(type_.num_fields)]
    return any(pa.types.is_integer(each) or _nests_integers(each) for each in inner)


def nulls_to_objects(frame: pd.DataFrame, batch: RowBatch) -> pd.DataFrame:
    """Gives columns that have only nulls the dtype object, as Azure's mltable 1.7 does.

    In the rows of the batch, unlike in the frame, NaN is not null.
    """
    for name, column in batch.columns.items():
        if batch.rows and count_nulls(column) == batch.rows:
            frame[name] = frame[name].astype(object).where(frame[name].notna(), None)
    return frame
