"""Parquet files in which a column has different types."""

from __future__ import annotations

import datetime
import io
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefect_parallel.data import load_table
from tests.data.conftest import MakeTable

LARGE = 2**53 + 1
DAY = datetime.date(2024, 2, 29)
NOON = datetime.datetime(2024, 2, 29, 12)
FAR = datetime.datetime(9999, 12, 31)


# Older ones may not write them to Parquet.
WITH_VIEWS = (
    [[pa.array([text], pa.string_view()) for text in "xy"]]
    if int(pa.__version__.partition(".")[0]) >= 26
    else []
)


def tables(make_table: MakeTable, *columns: pa.Array[Any]) -> str:
    """A table of files with a key, which has one value, and a column."""
    files = []
    for column in columns:
        file = io.BytesIO()
        pq.write_table(pa.table({"k": ["a"] * len(column), "v": column}), file)
        files.append(file.getvalue())
    return str(make_table(files, "read_parquet"))


def categories(start: int, of_type: pa.DataType) -> pa.Array[Any]:
    texts = pa.array([str(number) for number in range(start, start + 100)])
    return pa.DictionaryArray.from_arrays(pa.array(range(100), of_type), texts)


@pytest.mark.parametrize(
    "columns",
    [
        [pa.array([FAR], pa.timestamp("us")), pa.array([NOON], pa.timestamp("ns"))],
        [pa.array([None], pa.timestamp("ns")), pa.array([FAR, NOON], pa.timestamp("us"))],
        [pa.array([10**10], pa.duration("s")), pa.array([1], pa.duration("ns"))],
        [pa.array([2**64 - 1], pa.uint64()), pa.array([-1])],
        [pa.array([LARGE]), pa.array([0.5])],
        [pa.array([[LARGE], None]), pa.array([[0.5]])],
        [pa.array(["x"]), pa.array([b"\xff"])],
        [pa.array([[{"a": "x"}]]), pa.array([[{"a": b"\xff"}]])],
        [pa.array([Decimal("1.50")]), pa.array([10**12])],
        [pa.array([DAY]), pa.array([NOON], pa.timestamp("us")), pa.array(["2024-03-01"])],
        [pa.array([True, None]), pa.array([1])],
        [categories(0, pa.int8()), categories(100, pa.int8()), pa.array([7])],
        *WITH_VIEWS,
    ],
    ids=lambda columns: " ".join(str(column.type) for column in columns),
)
def test_each_value_is_exact(make_table: MakeTable, columns: list[pa.Array[Any]]) -> None:
    table = load_table(tables(make_table, *columns))
    wanted = [value for column in columns for value in column.to_pylist()]
    by_file = [frame["v"] for _, frame in table.mini_batches()]
    ((_, by_key),) = table.mini_batches(partition_keys=["k"])
    assert len(by_file) == len(columns)
    for found in (
        pd.concat([each.astype(object) for each in by_file]),
        by_key["v"],
        table.to_pandas()["v"],
    ):
        values = pa_values(found)
        assert values == wanted
        assert [isinstance(value, (str, bool)) for value in values] == [
            isinstance(value, (str, bool)) for value in wanted
        ]


def pa_values(column: pd.Series[Any]) -> list[Any]:
    """Values as Arrow gives them."""
    return [
        value.tolist()
        if hasattr(value, "tolist")
        else None
        if value is pd.NaT or value is pd.NA
        else value
        for value in column.tolist()
    ]


def test_categories_of_files_are_joined(make_table: MakeTable) -> None:
    """Indexes of eight bits, as pandas writes them, do not reach for all categories."""
    parts = [categories(start, pa.int8()) for start in (0, 100, 200)]
    table = load_table(tables(make_table, *parts))
    ((_, by_key),) = table.mini_batches(partition_keys=["k"])
    for frame in (by_key, table.to_pandas()):
        assert frame["v"].dtype == "category"
        assert frame["v"].tolist() == [str(number) for number in range(300)]


def test_a_mini_batch_whose_values_fit_has_the_type_of_the_table(make_table: MakeTable) -> None:
    files = [
        {"k": ["a", "b"], "v": pa.array([FAR, NOON], pa.timestamp("us"))},
        {"k": ["a", "b"], "v": pa.array([NOON, None], pa.timestamp("ns"))},
        {"k": ["c", "d"], "v": pa.array([FAR, NOON], pa.timestamp("us"))},
    ]
    contents = []
    for each in files:
        file = io.BytesIO()
        pq.write_table(pa.table(each), file)
        contents.append(file.getvalue())
    table = load_table(str(make_table(contents, "read_parquet")))
    found = {
        context.partition_key_value["k"]: str(frame["v"].dtype)
        for context, frame in table.mini_batches(partition_keys=["k"])
    }
    assert found == {"a": "object", "b": "object", "c": "datetime64[us]", "d": "datetime64[ns]"}


def test_keys_of_several_types(make_table: MakeTable) -> None:
    columns = [
        pa.array([10, None], pa.duration("s")),
        pa.array([10**9], pa.duration("ns")),
        pa.array([DAY, None]),
        pa.array([FAR, NOON], pa.timestamp("us")),
        pa.array([NOON], pa.timestamp("ns")),
    ]
    found = load_table(tables(make_table, *columns)).mini_batches(partition_keys=["v"])
    assert {context.partition_key_value["v"]: len(frame) for context, frame in found} == {
        "0 days 00:00:10": 1,
        "0 days 00:00:01": 1,
        "": 2,
        "2024-02-29": 1,
        "9999-12-31T00:00:00+00:00": 1,
        "2024-02-29T12:00:00+00:00": 2,
    }
