"""Loading data without a pipeline, exactly as a run plans and reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from prefect_parallel.data.locations.datastores import NO_DATASTORES, Datastores
from prefect_parallel.data.locations.location import Location
from prefect_parallel.data.mini_batch_context import MiniBatchContext
from prefect_parallel.data.mltable.mltable import MLTable
from prefect_parallel.data.planning.plan import Plan, make_plan
from prefect_parallel.data.planning.split import ByKeys, BySize
from prefect_parallel.data.reading.reader import open_reader
from prefect_parallel.errors import InvalidInput

if TYPE_CHECKING:
    import pandas as pd

_Data = TypeVar("_Data")


def load_table(location: str, datastores: Datastores | None = None) -> Table:
    """Opens a table.

    Args:
        location: A folder with an MLTable file that has a `read_*` transformation: local path,
            URL, or `azureml:` name.
        datastores: Definitions of `azureml:` names.

    Returns:
        The table. No data is read yet.

    Raises:
        InvalidInput: The location does not exist, or is not a table.
        InvalidMLTable: The MLTable file has errors.

    Example:
        ```python
        from prefect_parallel import load_table

        table = load_table("sales")
        print(table.to_pandas().dtypes)
        for context, frame in table.mini_batches(partition_keys=["Store"]):
            print(context.partition_key_value, len(frame))
        ```
    """
    place = Location.parse(location, datastores=datastores or NO_DATASTORES)
    if MLTable.load(place).read_transformation is None:
        raise InvalidInput(f"{location}: is a list of files", hint="use load_files()")
    return Table(place, "mltable")


def load_files(location: str, datastores: Datastores | None = None) -> FileCollection:
    """Opens a list of files.

    Args:
        location: A folder with an MLTable file without a `read_*` transformation, any other
            folder, or a file: local path, URL, or `azureml:` name.
        datastores: Definitions of `azureml:` names.

    Returns:
        The list. No file is opened yet.

    Raises:
        InvalidInput: The location does not exist, or is a table.
        InvalidMLTable: Its MLTable file has errors.
    """
    place = Location.parse(location, datastores=datastores or NO_DATASTORES)
    if not place.is_folder():
        return FileCollection(place, "uri_file")
    if not place.holds_mltable():
        return FileCollection(place, "uri_folder")
    if MLTable.load(place).read_transformation is not None:
        raise InvalidInput(f"{location}: is a table", hint="use load_table()")
    return FileCollection(place, "mltable")


class _Input(Generic[_Data]):
    """An input that can be split into mini-batches."""

    def __init__(self, location: Location, type: str) -> None:  # noqa: A002
        self._location = location
        self._type = type

    def mini_batches(
        self,
        mini_batch_size: str | int | None = None,
        partition_keys: Sequence[str] | None = None,
    ) -> Iterator[tuple[MiniBatchContext, _Data]]:
        """Iterates over the arguments that `run` would get.

        Args:
            mini_batch_size: As in a pipeline: `"10kb"` of a table, `10` files of a list.
            partition_keys: Columns; one mini-batch for each combination of their values.

        Raises:
            InvalidInput: The input cannot be split this way.
            UnreadableMiniBatch: A mini-batch cannot be loaded.
        """
        split = ByKeys(tuple(partition_keys)) if partition_keys else BySize.parse(mini_batch_size)
        plan = self.plan(split)
        reader = open_reader(plan.reader, self._location.datastores)
        for mini_batch in plan.mini_batches:
            yield MiniBatchContext.of(mini_batch), cast("_Data", reader.read(mini_batch))

    def plan(self, split: BySize | ByKeys) -> Plan:
        """The plan of a step with this input; without mini-batches if the input is empty."""
        return make_plan(self._location, type=self._type, mode="direct", split=split)


class Table(_Input["pd.DataFrame"]):
    """A table described by an MLTable file.

    Attributes:
        values_set_to_null: Set by `to_pandas`: number of values by column that did not fit the type
            of the column.
        uneven_rows: Set by `to_pandas`: number of rows with fewer or more cells than their header.
        first_uneven_row: Set by `to_pandas`: where the first of them is.
    """

    values_set_to_null: dict[str, int]
    uneven_rows: int
    first_uneven_row: str

    def to_pandas(self) -> pd.DataFrame:
        """Reads the whole table.

        Raises:
            UnreadableMiniBatch: A part of it cannot be read.
        """
        from prefect_parallel.data.columns.table_schema import join
        from prefect_parallel.data.reading.table_reader import TableReader, nulls_to_objects
        from prefect_parallel.data.reading.table_recipe import TableRecipe

        plan = self.plan(BySize())
        reader = TableReader(TableRecipe.from_json(plan.reader), self._location.datastores)
        batches = [reader.batch(mini_batch) for mini_batch in plan.mini_batches]
        batch = join([*batches, reader.no_rows()])
        self.values_set_to_null = dict(batch.values_set_to_null)
        self.uneven_rows = batch.uneven_rows
        self.first_uneven_row = batch.first_uneven_row
        frame: pd.DataFrame = reader.to_pandas(batch)
        return frame if reader.format.keeps_types else nulls_to_objects(frame, batch)


class FileCollection(_Input["list[str]"]):
    """A list of files."""

    def paths(self) -> list[str]:
        """The absolute paths, or URLs, of all files. Whether they exist is not checked."""
        mini_batches: Any = self.plan(BySize()).mini_batches
        return [piece.file.path for mini_batch in mini_batches for piece in mini_batch.pieces]

    def to_pandas(self) -> pd.DataFrame:
        """A DataFrame with the column `Path`, and those of a partition format."""
        import pandas as pd

        if self._type != "mltable":
            frame: pd.DataFrame = pd.DataFrame({"Path": self.paths()})
            return frame
        from prefect_parallel.data.planning.file_list import FileList

        return FileList(MLTable.load(self._location)).to_pandas()
