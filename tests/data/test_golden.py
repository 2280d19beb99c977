"""Every golden case, read whole and in mini-batches of several sizes."""

from __future__ import annotations

import json
import math
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prefect_parallel.data import BySize, load_files, load_table
from prefect_parallel.data.locations.location import Location
from prefect_parallel.data.mltable.mltable import MLTable
from prefect_parallel.errors import PrefectParallelError
from tests.golden_cases import tables

# Intended differences from Azure's mltable 1.7: a golden case, or a rule that no case covers.
DIFFERENCES = {
    "error-filter-on-failed-conversion": (
        "A value that could not be converted is null for a filter, too. Otherwise one bad"
        " cell would fail every row of its mini-batch, even if the filter is there to drop it."
    ),
    "files of a folder": (
        "Sorted by path, not in the order of the file system, so that runs are repeatable."
    ),
    "a table without rows": "It keeps its columns, so that a script can refer to them.",
    "columns of a file whose rows are all filtered out": (
        "They are kept, also with all_files_different_headers, so that all mini-batches have"
        " the same columns."
    ),
    "columns that first appear after the part that planning reads (1 MB)": (
        "Only the mini-batches that contain them have them; to find all columns, planning"
        " would have to read all data."
    ),
    "kinds of JSON values after the part that planning reads": (
        "A column has one type in the whole table, not that of the first value in each file."
    ),
    "columns that a Delta table is partitioned by": (
        "They are part of the result, with their types, so that no data is lost."
    ),
    "stream_info": "A column of paths stays text: there are no stream handles here.",
    "UTF-16 with a big-endian mark, gzip": (
        "Refused with the reason, instead of being read as garbage."
    ),
    "a quote that is never closed, with support_multi_line": (
        "An error with the line of the quote; Azure's mltable reads the rest of the file as cells"
        " of one row."
    ),
    "duplicate keys in the MLTable file": "Refused: one of them would be lost.",
    "numbers that do not fit into a 64-bit integer": (
        "In a column of integers, NaN, infinities and larger numbers become null, not 0 or"
        " the nearest integer."
    ),
    "01, 00, +1 and -0": (
        "Integers, even in a column without other values; Azure's mltable takes the column"
        " for booleans and loses all values."
    ),
    "fields of a value that is not an object": (
        "Null in a filter, like a missing column; Azure's mltable fails the read."
    ),
    "a weekday that does not match the date": "The value is null; Azure's mltable fails the read.",
    "columns of JSON lines whose values are all filtered out": (
        "They are kept, so that all mini-batches have the same columns."
    ),
    "a column of datetimes outside the range of nanoseconds": (
        "Its nulls are objects, as in any column without values."
    ),
    "times with a time zone in Parquet": (
        "Converted to local time of that zone, daylight saving time included; times of day"
        " are unchanged."
    ),
    "a header name that is also the name of an extra cell": (
        "The extra cells get another name; Azure's mltable fails the read."
    ),
}

# The dtype of columns of text: str since pandas 3.
TEXT = str(pd.Series(["a"]).dtype)

SIZES = [1, 40, 1024, 1 << 30]


def folder_of(case: str) -> str:
    return str(tables()[case].folder)


def is_table(case: str) -> bool:
    return MLTable.load(Location.parse(folder_of(case))).read_transformation is not None


def whole(case: str) -> pd.DataFrame:
    load = load_table if is_table(case) else load_files
    return load(folder_of(case)).to_pandas()


def joined(case: str, size: int) -> pd.DataFrame:
    table = load_table(folder_of(case))
    frames = [frame for _, frame in table.mini_batches(mini_batch_size=size)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def as_json(value: Any) -> Any:
    """A value as expected.json writes it."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        return None if math.isnan(value) else value
    if isinstance(value, (pd.Timestamp, datetime, date)):
        return value.isoformat()
    return value


def same(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(value, bool):
        return value is wanted
    if isinstance(wanted, (int, float)) and isinstance(value, (int, float)):
        if isinstance(wanted, int) and isinstance(value, int):
            return value == wanted
        return math.isclose(value, wanted, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(wanted, list):
        return (
            isinstance(value, list) and len(value) == len(wanted) and all(map(same, value, wanted))
        )
    if isinstance(wanted, dict):
        return (
            isinstance(value, dict)
            and value.keys() == wanted.keys()
            and all(same(value[key], wanted[key]) for key in wanted)
        )
    return value == wanted


def kind(dtype: str) -> str:
    if dtype.startswith("datetime64"):
        return "datetime64, zone" if "," in dtype else "datetime64"
    return "str" if dtype == "object" else dtype


def rows_of(case: str, frame: pd.DataFrame) -> list[list[Any]]:
    if "Path" in frame:
        table = folder_of(case) + "/"
        frame = frame.assign(Path=frame["Path"].map(lambda path: path.removeprefix(table)))
    # Column by column: rows of a frame would turn integers beside floats into floats.
    columns = [[as_json(value) for value in frame[name].tolist()] for name in frame.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def check(case: str, frame: pd.DataFrame) -> None:
    wanted = tables()[case].expected
    if not wanted["rows"]:
        assert frame.empty
        return
    assert list(frame.columns) == wanted["columns"]
    for name, dtype in wanted["dtypes"].items():
        if not frame[name].isna().all():
            assert kind(str(frame[name].dtype)) == kind(dtype), name
    assert list(frame.index) == list(range(len(frame)))
    rows = rows_of(case, frame)
    if wanted.get("compare") == "unordered":
        rows, wanted_rows = sorted(rows, key=json.dumps), sorted(wanted["rows"], key=json.dumps)
    else:
        wanted_rows = wanted["rows"]
    if wanted.get("compare") == "subset":
        everything = tables()["sample-probability-one"].expected["rows"]
        assert rows == [row for row in everything if row in rows]
        assert 0 < len(rows) < len(everything)
        return
    assert len(rows) == len(wanted_rows)
    for row, wanted_row in zip(rows, wanted_rows, strict=True):
        assert same(row, wanted_row)


REFUSED = [name for name, case in tables().items() if not case.valid]
LOADED = [name for name, case in tables().items() if case.valid]
LISTS = [name for name in LOADED if "file_list" in tables()[name].expected]
TABLES = sorted(set(LOADED) - set(LISTS))


@pytest.mark.parametrize("case", LOADED)
def test_whole_tables(case: str) -> None:
    frame = whole(case)
    check(case, frame)
    for name, dtype in tables()[case].expected["dtypes"].items():
        if frame[name].isna().all():
            assert str(frame[name].dtype) == {"str": TEXT}.get(dtype, dtype)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", TABLES)
def test_mini_batches_joined_in_order(case: str, size: int) -> None:
    check(case, joined(case, size))


@pytest.mark.parametrize("case", LISTS)
def test_lists_of_files(case: str) -> None:
    table = folder_of(case)
    files = load_files(table)
    wanted = tables()[case].expected
    paths = [str(Path(path).relative_to(table)) for path in files.paths()]
    if wanted.get("compare") == "unordered":
        assert paths == sorted(wanted["file_list"], key=lambda path: path.split("/"))
    else:
        assert paths == wanted["file_list"]
    if case != "files-listed":  # It lists a file that is not there.
        batches = [batch for _, batch in files.mini_batches(mini_batch_size=2)]
        assert [path for batch in batches for path in batch] == files.paths()
        assert {len(batch) for batch in batches[:-1]} <= {2}


@pytest.mark.parametrize("case", sorted(set(REFUSED) - DIFFERENCES.keys()))
def test_inputs_that_azure_refuses(case: str) -> None:
    with pytest.raises(PrefectParallelError) as refused:
        whole(case)
    assert folder_of(case) in str(refused.value)


def test_a_value_that_does_not_convert_is_null_for_a_filter() -> None:
    assert whole("error-filter-on-failed-conversion")["kg"].tolist() == [3, 5]


def test_the_same_seed_draws_the_same_rows_however_the_work_is_split() -> None:
    drawn = [joined("sample-probability-half", size)["seq"].tolist() for size in SIZES]
    assert drawn[0] == whole("sample-probability-half")["seq"].tolist()
    assert all(other == drawn[0] for other in drawn)


def test_the_plan_of_a_table_is_small_and_reproducible() -> None:
    table = load_table(folder_of("csv-infer-sample-window"))
    once, again = (list(table.plan(BySize(100)).mini_batches) for _ in range(2))
    assert once == again
    assert len(once) > 10
    assert all(len(json.dumps(mini_batch.to_json())) < 400 for mini_batch in once)
