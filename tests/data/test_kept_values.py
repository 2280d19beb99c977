"""With `keep_values`, as without an MLTable file, no value is lost or changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prefect_parallel.data import ByKeys, BySize, describe_data, open_reader, plan
from tests.data.conftest import MakeTable

SETTINGS = settings(max_examples=150, deadline=None)


def columns(data: Path, size: str) -> Iterator[pd.Series[Any]]:
    """The last column of each mini-batch, with no value counted as lost."""
    described = describe_data(data, data.parent / "spool")
    planned = plan(
        described.path,
        type=described.type,
        mode=described.mode,
        split=BySize.parse(size),
        input_format=described.input_format,
    )
    reader = open_reader(planned.reader)
    for mini_batch in planned.mini_batches:
        frame: Any = reader.read(mini_batch)
        yield frame.iloc[:, -1]
        assert not sum(reader.values_set_to_null.values())


def of_csv(folder: Path, cells: Sequence[str], size: str = "1gb") -> list[list[Any]]:
    """The values of a column in each mini-batch."""
    (folder / "in.csv").write_text("\n".join(["id,x", *(f"a,{cell}" for cell in cells)]))
    return [column.tolist() for column in columns(folder / "in.csv", size)]


@pytest.mark.parametrize(
    "cells",
    [
        # No value decides whether day or month comes first.
        ["01/02/2024", "03/04/2024"],
        ["2024-01-01", "9999-12-31"],
        # Is the first one in the year 13?
        ["13/04/24", "01/02/99"],
        ["12345678901234567890", "12345678901234567891"],
        ["9007199254740993", "0.5"],
        ["true", "1"],
    ],
)
def test_text_where_another_type_would_lose_or_change_a_value(
    tmp_path: Path, cells: list[str]
) -> None:
    assert of_csv(tmp_path, cells) == [cells]


@pytest.mark.parametrize(
    ("early", "late", "values"),
    [
        (
            "31/12/2024",
            ["05/06/2024", "2024-01-05"],
            [pd.Timestamp("2024-06-05"), pd.Timestamp("2024-01-05")],
        ),
        ("31/12/2024", ["05/06/2024", "12/31/2024"], None),
        ("2024-01-05", ["2024-01-06T10:00:00.5Z"], [pd.Timestamp("2024-01-06 10:00:00.5")]),
        ("2024-01-05", ["2024-01-05", "05/06/2024"], None),
        ("2024-01-05", ["2024-01-05", "9999-12-31"], None),
        ("true", ["true", "1"], None),
        ("true", ["Y", "N"], None),
        ("7", ["7", "0.5"], [7.0, 0.5]),
        ("7", ["9007199254740993", "0.5"], None),
        ("7", ["7", "12345678901234567890"], None),
        ("0.5", ["9007199254740993", "7"], None),
        ("0.5", ["12345678901234567890", "0.5"], None),
        ("0.5", ["1e20", "9007199254740992"], [1e20, 2.0**53]),
    ],
)
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_mini_batch_after_the_rows_that_types_follow_from(
    tmp_path: Path, early: str, late: list[str], values: list[Any] | None, quote: str
) -> None:
    cells = [f"{quote}{cell}{quote}" for cell in [early] * 10_000 + late]
    *_, last = of_csv(tmp_path, cells, "5000 rows")
    assert last == (values or late)


_DATES = {
    "05/06/2024": {"day": pd.Timestamp("2024-06-05"), "month": pd.Timestamp("2024-05-06")},
    "31/12/2024": {"day": pd.Timestamp("2024-12-31")},
    "12/31/2024": {"month": pd.Timestamp("2024-12-31")},
    "2024-01-05": {"year": pd.Timestamp("2024-01-05")},
}
_NUMBERS = ["7", "007", "1.50", "1e20", "9007199254740993", "12345678901234567890", "-0", "nan"]
_CELLS = st.sampled_from(["", "true", "False", "1", "Y", "9999-12-31", "n/a", *_DATES, *_NUMBERS])


@SETTINGS
@given(
    cells=st.sets(_CELLS, min_size=1, max_size=3).flatmap(
        lambda some: st.lists(st.sampled_from(sorted(some)), min_size=1, max_size=8)
    ),
    sample=st.integers(1, 8),
    rows=st.integers(1, 8),
    quotes=st.booleans(),
)
@example(["7", "0.5", "9007199254740993"], 1, 3, False)
def test_each_cell_of_csv_is_its_text_or_the_same_value(
    make_table: MakeTable, cells: list[str], sample: int, rows: int, quotes: bool
) -> None:
    lines = ["id,x", *(f'"a",{cell}' if quotes else f"a,{cell}" for cell in cells)]
    inference = {"sample_size": sample, "keep_values": True}
    read = {"read_delimited": {"infer_column_types": inference, "support_multi_line": True}}
    folder = make_table(["\n".join(lines).encode()], read)
    found = [value for column in columns(folder, f"{rows} rows") for value in column]
    orders: set[str] = set()
    for cell, value in zip(cells, found, strict=True):
        if cell in _DATES and isinstance(value, pd.Timestamp):
            (order,) = (order for order, date in _DATES[cell].items() if date == value)
            orders.add(order)
        elif isinstance(value, bool) and cell:
            assert str(value) == cell.capitalize()
        elif pd.isna(value):
            assert cell in ("", "nan")
        elif not isinstance(value, str):
            # Integers beside nulls are doubles, as in pandas.
            is_float = "." in cell or "e" in cell or "" in cells
            assert value == (float(cell) if is_float else int(cell))
        else:
            assert value == cell
    assert not orders >= {"day", "month"}


def of_json(folder: Path, values: Sequence[Any], size: str = "1gb") -> list[list[Any]]:
    """The values of a column in each mini-batch."""
    lines = [json.dumps({"id": "a" * 1000, "x": value}) for value in values]
    (folder / "in.jsonl").write_text("\n".join(lines))
    return [column.tolist() for column in columns(folder / "in.jsonl", size)]


def typed(values: Sequence[Any]) -> list[tuple[type, Any]]:
    return [(type(value), value) for value in values]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1, 2.5, 3], [1.0, 2.5, 3.0]),
        ([2.5, 2**60], [2.5, 2.0**60]),
        ([1, "A2", 3.5], None),
        ([2.5, 2**53 + 1], None),
        ([12345678901234567890, 12345678901234567891], None),
        ([1, -(2**63) - 1], None),
        ([True, 1, 1.0], None),
        ([[1], {"a": 1}, "x"], None),
    ],
)
def test_json_of_several_types(tmp_path: Path, values: list[Any], wanted: list[Any] | None) -> None:
    (found,) = of_json(tmp_path, values)
    assert typed(found) == typed(wanted or values)


@pytest.mark.parametrize(
    ("early", "late", "wanted"),
    [
        (1, [2, 2.5], [2.0, 2.5]),
        (1, [2**53 + 1, 2.5], None),
        (1, [2, 2**64], None),
        (1, [2, "A2"], None),
        (2.5, [2, 2.5], [2.0, 2.5]),
        (2.5, [2**53 + 1, 3], None),
        (2.5, [1e20, 3.5], None),
        ("A2", [2, "A2"], None),
        (True, [1, True], None),
        ([1], [{"a": 1}, [2]], None),
        (None, [2, "A2"], None),
    ],
)
def test_a_mini_batch_after_the_json_that_types_follow_from(
    tmp_path: Path, early: Any, late: list[Any], wanted: list[Any] | None
) -> None:
    *_, last = of_json(tmp_path, [early] * 1200 + late, "600 rows")
    assert typed(last) == typed(wanted or late)


_JSON = (
    st.integers(-2, 2)
    | st.sampled_from([2**53, 2**53 + 1, -(2**63), 2**64, 0.5, 1.0, 1e20, "", "1", "x", True])
    | st.lists(st.none() | st.integers(0, 1), max_size=2)
    | st.dictionaries(st.sampled_from("ab"), st.booleans(), max_size=2)
)


@SETTINGS
@given(
    files=st.lists(st.lists(st.none() | _JSON, min_size=1, max_size=4), min_size=1, max_size=3),
    rows=st.integers(1, 4),
)
def test_each_value_of_json_lines_is_the_same(
    make_table: MakeTable, files: list[list[Any]], rows: int
) -> None:
    contents = ["\n".join(json.dumps({"x": value}) for value in values) for values in files]
    read = {"read_json_lines": {"keep_values": True}}
    folder = make_table([content.encode() for content in contents], read)
    found = [value for column in columns(folder, f"{rows} rows") for value in column]
    given_ = [value for values in files for value in values]
    for value, wanted in zip(found, given_, strict=True):
        if wanted is None:
            assert pd.isna(value)
        elif type(value) is float and type(wanted) is int:
            # Integers beside nulls are doubles, as in pandas.
            assert value == (float(wanted) if None in given_ else wanted)
        else:
            assert (type(value), value) == (type(wanted), wanted)


@pytest.mark.parametrize(
    ("early", "late", "keys"),
    [
        ("true", ["true", "True", "n/a"], {"True": 10_002, "n/a": 1}),
        ("1.50", ["1.5", "n/a", "-0"], {"1.5": 10_001, "n/a": 1, "0": 1}),
        ("007", ["7", "7.0", "n/a", "1.50"], {"7": 10_002, "n/a": 1, "1.5": 1}),
        ("31/12/2024", ["2024-12-31", "n/a"], {"2024-12-31T00:00:00+00:00": 10_001, "n/a": 1}),
        ("x", ["007", "7"], {"x": 10_000, "007": 1, "7": 1}),
    ],
)
def test_a_value_is_one_key_in_all_files(
    tmp_path: Path, early: str, late: list[str], keys: dict[str, int]
) -> None:
    for name, cells in {"a": [early] * 10_000, "b": late}.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(["id,x", *(f"a,{c}" for c in cells)]))
    split = ByKeys(("x",))
    made = plan(str(tmp_path), type="uri_folder", mode=None, split=split, input_format="csv")
    reader = open_reader(made.reader)
    found = {
        (each.partition_key_value or {})["x"]: len(reader.read(each)) for each in made.mini_batches
    }
    assert found == keys
