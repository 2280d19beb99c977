"""From an input to the descriptors of its mini-batches."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prefect_parallel.data.locations.datastores import NO_DATASTORES, Datastores
from prefect_parallel.data.locations.listing import visible_files
from prefect_parallel.data.locations.location import Location
from prefect_parallel.data.mini_batch import File, MiniBatch, Piece
from prefect_parallel.data.mltable.input_formats import ITEMS, format_of
from prefect_parallel.data.mltable.mltable import MLTable
from prefect_parallel.data.planning.split import ByKeys, BySize, Kind
from prefect_parallel.errors import EmptyInput, InvalidInput, UnreadableMiniBatch

# More bytes than any file has: each file is one piece.
_WHOLE = 2**62
_FILTERED = "rows are counted before `filter`, so mini-batches may have fewer"


@dataclass(frozen=True)
class Plan:
    """An input, split into mini-batches.

    Attributes:
        kind: What `run` gets: rows of a `table` as a DataFrame, paths of `files`, or `items`.
        reader: JSON object for `open_reader`, which reads any of the mini-batches.
        mini_batches: The descriptors. They are made while they are iterated, which works once.
        notes: Remarks for the user, one sentence each.
        temporary: A folder that mini-batches are read from; it is deleted with the plan.
    """

    kind: Kind
    reader: dict[str, Any]
    mini_batches: Iterator[MiniBatch]
    notes: tuple[str, ...] = ()
    temporary: tempfile.TemporaryDirectory[str] | None = None


def plan(
    location: str,
    *,
    type: str,  # noqa: A002
    mode: str | None,
    split: BySize | ByKeys,
    input_format: str | None = None,
    work_folder: str | None = None,
    datastores: Datastores = NO_DATASTORES,
) -> Plan:
    """Plans the mini-batches of a major input.

    Args:
        location: Local path, URL, or `azureml:` name.
        type: `uri_folder`, `uri_file` or `mltable`.
        mode: As the pipeline has it: `direct` leaves URLs of a list of files as they are, all
            others want local paths. Tables are read where they lie.
        split: How to split it.
        input_format: The format of the files of a `uri_file` or `uri_folder` that is a table, or
            has items; one of `INPUT_FORMATS`. None: a list of files.
        work_folder: Where a table goes that is split by keys which its files' paths do not give:
            sorted by key, for all who read mini-batches. None: a temporary folder that lasts as
            long as the plan.
        datastores: Definitions of `azureml:` names.

    Raises:
        InvalidInput: The input cannot be split.
        EmptyInput: The input has no items.
        InvalidMLTable: The MLTable file has errors.
    """
    place = Location.parse(location, datastores=datastores)
    made = make_plan(
        place,
        type=type,
        mode=mode,
        split=split,
        input_format=input_format,
        work_folder=work_folder,
    )
    first = next(made.mini_batches, None)
    if first is None:
        raise EmptyInput(f"{location}: the input is empty")
    return replace(made, mini_batches=itertools.chain([first], made.mini_batches))


def make_plan(
    place: Location,
    *,
    type: str,  # noqa: A002
    mode: str | None,
    split: BySize | ByKeys,
    input_format: str | None = None,
    work_folder: str | None = None,
) -> Plan:
    """Like `plan`, but an empty input is a plan without mini-batches."""
    if type != "mltable":
        _check_type(place, type)
    if type == "mltable":
        table = MLTable.load(place)
        if table.read_transformation:
            made = _plan_table(table, split, work_folder)
        else:
            made = _plan_listed(table, split, fetch=mode != "direct")
    elif input_format is None:
        made = _plan_uri(place, type, split, fetch=mode != "direct")
    elif input_format == ITEMS:
        made = _plan_items(place, type, split)
    else:
        made = _plan_table(MLTable.of_format(place, input_format), split, work_folder)
    note = split.note(made.kind) if isinstance(split, BySize) else None
    return replace(made, notes=(*made.notes, note)) if note else made


def _check_type(place: Location, input_type: str) -> None:
    is_folder = place.is_folder()
    if not is_folder and not place.exists():
        raise InvalidInput(f"{place.path}: no such file or folder")
    if is_folder != (input_type == "uri_folder"):
        is_, other = ("folder", "uri_folder") if is_folder else ("file", "uri_file")
        raise InvalidInput(f"{place.path}: is a {is_}", hint=f"set its type to {other}")


def _plan_uri(place: Location, input_type: str, split: BySize | ByKeys, *, fetch: bool) -> Plan:
    """Plans a file, or the files of a folder."""
    if isinstance(split, ByKeys):
        raise InvalidInput(
            f"{place.path}: partition_keys requires columns; a {input_type} has none",
            hint="an MLTable's extract_columns_from_partition_format takes them from paths",
        )
    if input_type == "uri_folder":
        return _plan_files(visible_files(place), split.files, fetch)
    if split.unit:
        counts = "rows" if split.rows else "bytes"
        wanted = format_of(place.name) or "csv"
        raise InvalidInput(
            f"{place.path}: mini_batch_size is a number of {counts}, but the uri_file is"
            " one mini-batch: the path of the file",
            hint="to split the rows of a table, give the input `mode: direct` and the step"
            f" `properties: {{input_format: {wanted}}}`; else leave mini_batch_size out",
        )
    return _plan_files(iter([place.file()]), split.files, fetch)


def _plan_items(place: Location, input_type: str, split: BySize | ByKeys) -> Plan:
    if isinstance(split, ByKeys):
        raise InvalidInput(f"{place.path}: partition_keys requires columns; items have none")

    from prefect_parallel.data.planning.item_plan import item_batches

    files = visible_files(place) if input_type == "uri_folder" else iter([place.file()])
    return Plan("items", {"kind": "items"}, item_batches(files, split, place.datastores))


def _plan_files(files: Iterator[File], count: int, fetch: bool) -> Plan:
    def mini_batches() -> Iterator[MiniBatch]:
        for index in itertools.count():
            group = tuple(map(Piece, itertools.islice(files, count)))
            if not group:
                return
            yield MiniBatch(index, group)

    return Plan("files", _file_reader(fetch), mini_batches())


def _file_reader(fetch: bool) -> dict[str, Any]:
    return {"kind": "files", "fetch": fetch}


def _plan_listed(table: MLTable, split: BySize | ByKeys, fetch: bool) -> Plan:
    """Plans the files that an MLTable lists."""
    if isinstance(split, BySize) and not table.transformations:
        return _plan_files(table.files(), split.files, fetch)

    from prefect_parallel.data.planning.by_key import check_keys, group_pieces, key_of_path
    from prefect_parallel.data.planning.file_list import FileList
    from prefect_parallel.data.transformations.path_columns import PathColumns

    files = FileList(table)
    if isinstance(split, BySize):
        return _plan_files(iter(files), split.files, fetch)
    keys = split.keys
    columns = PathColumns([each.spec for each in table.transformations], include_path=False)
    check_keys(table.path, keys, columns.names)
    key_of = key_of_path(columns, keys)
    grouped = group_pieces(map(Piece, files), keys, key_of, "files")
    return Plan("files", _file_reader(fetch), grouped)


def _plan_table(table: MLTable, split: BySize | ByKeys, work_folder: str | None) -> Plan:
    from prefect_parallel.data.planning.table_plan import TablePlan

    made = TablePlan.of(table)
    notes = made.folder_notes(table.location)
    if isinstance(split, BySize):
        notes += (_FILTERED,) if split.rows and made.filters else ()
        return Plan("table", made.recipe.to_json(), made.mini_batches(split), notes)

    from prefect_parallel.data.planning.by_key import check_keys, group_pieces, key_of_path

    keys = split.keys
    path_columns = made.path_columns()
    columns = {**dict.fromkeys(made.columns()), **path_columns.of("/")}
    check_keys(table.path, keys, columns, hint="".join(notes))
    if set(keys) <= set(path_columns.names):
        key_of = key_of_path(path_columns, keys)
        grouped = group_pieces(made.pieces(_WHOLE), keys, key_of, made.unit)
        return Plan("table", made.recipe.to_json(), grouped, notes)

    from prefect_parallel.data.planning.grouping import Grouping

    temporary = None if work_folder else tempfile.TemporaryDirectory(prefix="prefect_parallel_")
    folder = Path(work_folder or temporary.name)  # type: ignore[union-attr]
    try:
        grouping = Grouping.make(made, keys, folder)
    except UnreadableMiniBatch as error:
        raise InvalidInput(f"the table cannot be grouped by {', '.join(keys)}: {error}") from error
    notes += grouping.notes
    return Plan("table", grouping.recipe.to_json(), grouping.mini_batches(), notes, temporary)
