"""What the transformations do to values: filters, conversions, inference."""

from __future__ import annotations

import datetime
import io
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from deltalake import write_deltalake

from prefect_parallel.data import load_table
from prefect_parallel.errors import (
    InvalidInput,
    InvalidMLTable,
    PrefectParallelError,
    UnreadableMiniBatch,
)
from tests.data.conftest import MakeTable
from tests.data.test_golden import as_json

# Row n holds these; c and t have nulls.
ROWS = (
    b"n,c,t,b,d\n"
    b"1,1.5,ab,true,2024-01-01\n"
    b"2,,abc,false,2024-01-02\n"
    b"3,-2.0,,true,2024-01-03\n"
    b"4,8.0,x,,\n"
)


def kept(folder: Path) -> list[int]:
    frame = load_table(str(folder)).to_pandas()
    return frame["n"].tolist() if len(frame) else []


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("c > 0", [1, 4]),
        ("not c > 0", [3]),
        ("c > 0 or n == 2", [1, 2, 4]),
        ("c > 0 and n < 4", [1]),
        ("c != 1.5", [3, 4]),
        ("c == None or n == 1", [1]),
        ("gone == 1 or n == 1", [1]),
        ("not (n == 1 and gone == 1)", [2, 3, 4]),
        ("not (gone == 1 and n == 1)", []),
        ("b", [1, 3]),
        ("not b", [2]),
        ("b == True", [1, 3]),
        ("t == 'ab'", [1]),
        ('t >= "ab" and t < "b"', [1, 2]),
        ("t == 1 or t != 1", [1, 2, 4]),
        ("n < 'a'", [1, 2, 3, 4]),
        ("b < n", [1, 2, 3]),
        ("t < datetime(1999, 1, 1)", [1, 2, 4]),
        ("d < datetime(2024, 1, 2, 0, 0, 1)", [1, 2]),
        ("d == datetime(2024, 1, 3)", [3]),
        ("1 < n < 3", [1, 2, 3, 4]),
        ("(1 < n) == True", [2, 3, 4]),
        ("n // 2 == 1", [2, 3]),
        ("(n - 8) // 2 == -3", [1, 2]),
        ("(n - 8) % 3 == 2", [1, 4]),
        ("(n - 8.0) // 2 == -4", [1]),
        ("c // 2 == 0 or c // 2 == -1", [1, 3]),
        ("n / 2 == 1.5", [3]),
        ("n ** 2 == 9", [3]),
        ("-n == -3", [3]),
        ("+n == 3", [3]),
        ("-2 ** 2 == 0 - n", [4]),
        ("t + 'c' == 'abc'", [1]),
        ("n == 1 if b else n == 2", [1, 2]),
        ("False if b else True", [2, 4]),
        ("b if b else (True if n == 4 else False)", [1, 3, 4]),
        ("t.startswith('x') or n == 3", [3, 4]),
        ("8 / (n - 2) == 4 or n == 2", [2, 4]),
        ("d < datetime(2024, 1)", []),
        ("d >= datetime(2024)", [1, 2, 3]),
        ("d < datetime(2024, 1, 1, 0, 0, 0, 1)", [1]),
        ("startswith(t, 'ab') if n < 3 else False", [1, 2]),
        ("n < 3 and t.startswith('abc')", [2]),
        ("n == 3 or t.startswith('x')", [3, 4]),
        ("n != 2 and 8 / (n - 2) == 4", [4]),
        ('col("n") == 1', [1]),
        ("n == 9223372036854775808", []),
        ("n * 9223372036854775807 > 0", [1, 2, 3, 4]),
        ("n == '\\x31' or n == 1", [1]),
        ("not None or n == 1", [1]),
        ("n + None == 1", []),
        ("None if b else None", []),
    ],
)
def test_filters(make_table: MakeTable, text: str, rows: list[int]) -> None:
    assert kept(make_table([ROWS], "read_delimited", {"filter": text})) == rows


LARGE = [1234567890123456789, -1234567890123456789, 2**63 - 1, -(2**63), 9007199254740999, 3, -3]


@pytest.mark.parametrize(
    ("text", "kept_of"),
    [
        *((f"n % {by} == {rest}", lambda n, by=by, rest=rest: n % by == rest)
          for by in (10, -10, 3, -1) for rest in (9, -1, 0, 1)),
        ("n % m == 9", lambda n: n % 10 == 9),
        ("n > 1.5", lambda n: n > 1.5),
        ("n <= 1.5", lambda n: n <= 1.5),
        ("n != 3.0", lambda n: n != 3.0),
        ("1.5 < n", lambda n: n > 1.5),
        ("n > x", lambda n: n > 0.5),
    ],
)  # fmt: skip
def test_filters_of_large_integers(
    make_table: MakeTable, text: str, kept_of: Callable[[int], bool]
) -> None:
    rows = as_parquet({"n": LARGE, "m": [10] * len(LARGE), "x": [0.5] * len(LARGE)})
    folder = make_table([rows], "read_parquet", {"filter": text})
    assert kept(folder) == list(filter(kept_of, LARGE))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("n", "must evaluate to a boolean, got a number"),
        ("t", "must evaluate to a boolean, got a text"),
        ("n / (n - 2) > 0", "division by zero"),
        ("n % 0 == 1", "division by zero"),
        ("t - 1 == 0", "- needs numbers"),
        ("n + t == 0", "+ needs numbers"),
        ("n and b", "`and` needs booleans"),
        ("not n", "`not` needs a boolean"),
        ("t.startswith('a')", "startswith of a null value"),
        ("t.startswith('x') and n != 3", "startswith of a null value"),
        ("n.startswith('a')", "startswith needs text"),
        ("(n if b else t) == 1", "both sides of `if ... else` must have the same type"),
    ],
)
def test_filters_that_cannot_be_computed(make_table: MakeTable, text: str, why: str) -> None:
    with pytest.raises(PrefectParallelError) as refused:
        kept(make_table([ROWS], "read_delimited", {"filter": text}))
    assert why in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        *("n is None", "n in (1, 2)", "n & 1", "n | 1", "~n", "n = 1", "n <> 1", "n AND b"),
        *("len(t) == 1", "n.__class__", "lambda: 1", "[n]", "t == ''", "f'{n}'", "n @ 2"),
        *("(n := 1)", "datetime()", "datetime(2024, 13, 1) == d", "t.startswith(t)"),
        *("t.startswith('')", "t.startswith(prefix='a')"),
        *("col(n)", "é == 1", "1j == n", "n if b", "print(n)", "", "(" * 5000),
        *("b if b else b if b else b", "b if b else\n (b or b) if b else b"),
    ],
)
def test_invalid_filters(make_table: MakeTable, text: str) -> None:
    folder = make_table([ROWS], "read_delimited", {"filter": text})
    # A name with a field is of the language, if it does not stand for a condition.
    if text == "n.__class__":
        assert kept(folder) == []
        return
    with pytest.raises(InvalidMLTable, match="filter"):
        kept(folder)


def test_a_filter_sees_json_values_as_written(make_table: MakeTable) -> None:
    values: list[Any] = [1, "1", 1.0, True, None, [1], {"x": {"y": 1}}, {"x": None}, 2**70]
    lines = "".join(json.dumps({"n": n, "v": value}) + "\n" for n, value in enumerate(values))

    def kept_by(text: str) -> list[int]:
        return kept(make_table([lines.encode()], "read_json_lines", {"filter": text}))

    assert kept_by("v == 1") == [0, 2]
    assert kept_by("v == '1'") == [1]
    assert kept_by("v == True") == [3]
    assert kept_by("v.x.y == 1") == [6]
    assert kept_by("v > 1.5 and v < 'a'") == [1, 8]
    assert kept_by("v != 1") == [1, 3, 5, 6, 7, 8]


def test_an_integer_beyond_64_bits_is_infinite(make_table: MakeTable) -> None:
    lines = b'{"n": 0, "v": %s}\n{"n": 1, "v": -%s}\n' % (b"9" * 400, b"9" * 400)

    def read(*steps: Any) -> Any:
        return load_table(str(make_table([lines], "read_json_lines", *steps))).to_pandas()

    assert read()["v"].tolist() == [float("inf"), float("-inf")]
    assert read({"filter": "v > 1"})["n"].tolist() == [0]
    assert read({"filter": f"n < {'9' * 400}"})["n"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("share.exact > 2", [2]),
        ("share.name == 'b'", [2]),
        ("share.day == datetime(2024, 1, 2)", [2]),
        ("share.gone == 1 or n == 1", [1]),
        ("share.exact.gone == 1 or n == 1", [1]),
        ("large == 'b'", [2]),
        ("word == 'b'", [2]),
        ("exact < 2", [1]),
    ],
)
def test_a_filter_on_parquet_types(make_table: MakeTable, text: str, rows: list[int]) -> None:
    exact = pa.array([Decimal("1.5"), Decimal("2.5")])
    large = pa.array(["a", "b"], pa.large_string())
    days = pa.array([datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)])
    columns = {
        "n": [1, 2],
        "share": pa.StructArray.from_arrays([exact, large, days], ["exact", "name", "day"]),
        "large": large,
        "word": pa.array(["a", "b"]).dictionary_encode(),
        "exact": exact,
    }
    assert kept(make_table([as_parquet(columns)], "read_parquet", {"filter": text})) == rows


def test_lists_and_objects_are_not_compared(make_table: MakeTable) -> None:
    rows = as_parquet({"n": [1], "list": pa.array([[1]])})
    folder = make_table([rows], "read_parquet", {"filter": "list == list"})
    with pytest.raises(InvalidInput, match="lists and objects cannot be compared"):
        kept(folder)


def as_parquet(columns: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def converted(make_table: MakeTable, values: list[str], column_type: Any) -> list[Any]:
    content = "v\n" + "".join(f'"{value}"\n' for value in values)
    folder = make_table(
        [content.encode()],
        {"read_delimited": {"infer_column_types": False}},
        {"convert_column_types": [{"columns": "v", "column_type": column_type}]},
    )
    return [as_json(value) for value in load_table(str(folder)).to_pandas()["v"].tolist()]


@pytest.mark.parametrize(
    ("column_type", "values", "wanted"),
    [
        ("int", [" 12 ", "-0", "2.9", "-2.9", "1e3", "x", "", "9" * 19], [12, 0, 2, -2, 1000]),
        ("float", ["1.", ".5", "-Inf", "1_0", "0x1"], [1.0, 0.5, "-Infinity", None, None]),
        ("boolean", ["Y", " no", "F", "1", "NO"], [True, None, False, True, False]),
        ({"boolean": {"mismatch_as": "true"}}, ["no", "0"], [True, False]),
        (
            {"boolean": {"true_values": ["on"], "false_values": ["off"]}},
            ["on", "off", "true", "ON"],
            [True, False, None, None],
        ),
        ("string", ["a", ""], ["a", ""]),
        ("stream_info", ["a"], ["a"]),
        ("int", ["nan", "-inf"], []),
    ],
)
def test_conversions(
    make_table: MakeTable, column_type: Any, values: list[str], wanted: list[Any]
) -> None:
    wanted = wanted + [None] * (len(values) - len(wanted))
    assert converted(make_table, values, column_type) == wanted


@pytest.mark.parametrize(
    ("column_type", "wanted"),
    [
        ("int", [None, 7, 2, None, 12, None, None, None]),
        ("float", [None, 7.0, 2.9, 1e20, 12.0, None, "Infinity", None]),
        ("string", ["True", "7", "2.9", "1" + "0" * 20, "12", "false", "9" * 400, None]),
        ("boolean", [True, True, True, True, None, False, True, None]),
    ],
)
def test_conversions_of_json_values(
    make_table: MakeTable, column_type: str, wanted: list[Any]
) -> None:
    values = [True, 7, 2.9, 1e20, "12", "false", int("9" * 400), [1]]
    lines = "".join(json.dumps({"v": value}) + "\n" for value in values)
    steps = {"convert_column_types": [{"columns": "v", "column_type": column_type}]}
    table = load_table(str(make_table([lines.encode()], "read_json_lines", steps)))
    assert [as_json(value) for value in table.to_pandas()["v"].tolist()] == wanted
    assert table.values_set_to_null == {"v": wanted.count(None)}


def test_conversions_of_parquet_types(make_table: MakeTable) -> None:
    columns = {
        "at": ("int", pa.array([0], pa.timestamp("s")), None),
        "list": ("string", pa.array([[1]]), None),
        "share": ("string", [float("nan")], "NaN"),
        "flag": ("float", [True], None),
        "number": ("boolean", [3], True),
    }
    steps = [
        {"columns": name, "column_type": column_type}
        for name, (column_type, _, _) in columns.items()
    ]
    rows = as_parquet({name: values for name, (_, values, _) in columns.items()})
    folder = make_table([rows], "read_parquet", {"convert_column_types": steps})
    (row,) = load_table(str(folder)).to_pandas().to_dict("records")
    assert row == {name: wanted for name, (_, _, wanted) in columns.items()}


@pytest.mark.parametrize(
    ("format_", "text", "wanted"),
    [
        ("%Y-%m-%d", " 2024-3-5 ", "2024-03-05T00:00:00"),
        ("%y%m%d", "700101", "1970-01-01T00:00:00"),
        ("%y%m%d", "690101", "2069-01-01T00:00:00"),
        ("%d %b %Y", "5 SEP 2024", "2024-09-05T00:00:00"),
        ("%d %b %Y", "5 September 2024", None),
        ("%d %B %Y", "5 sep 2024", "2024-09-05T00:00:00"),
        ("%A, %d. %B %Y", "Thursday, 5. September 2024", "2024-09-05T00:00:00"),
        ("%F %T", "2024-09-05 01:02:03", "2024-09-05T01:02:03"),
        ("%F %I%p", "2024-09-05 12am", "2024-09-05T00:00:00"),
        ("%F %I%p", "2024-09-05 12PM", "2024-09-05T12:00:00"),
        ("%F %I%p", "2024-09-05 13PM", None),
        ("%F %T.%f", "2024-09-05 01:02:03", "2024-09-05T01:02:03"),
        ("%F %T%.f", "2024-09-05 01:02:03.000001", "2024-09-05T01:02:03.000001"),
        ("%FT%T%z", "2024-09-05T01:02:03-0130", "2024-09-05T02:32:03"),
        ("%Y%%%m", "2024%02", "2024-02-01T00:00:00"),
        ("%Y", "1600", None),
        ("%Y-%m-%d", "2023-02-29", None),
        ("%Y-%m-%d", "2024-02-01x", None),
        ("%Y-%m-%d %H", "2024-02-32", None),
        ("%Y%m%d", "202402 3", "2024-02-03T00:00:00"),
        ("year %Y", "Year 2024", None),
        ("%F %T", "2024-12-31 23:59:60", "2025-01-01T00:00:00"),
        ("%F %T.%f", "2024-09-05 01:02:03.1234567899", "2024-09-05T01:02:03.123456789"),
        ("%F %T.%f", "2024-09-05 01:02:03.", None),
        ("%FT%T%z", "2024-09-05T01:02:03 utc", "2024-09-05T01:02:03"),
        ("%FT%T%z", "2024-09-05T01:02:03+24:00", None),
        ("%a %-d/%m/%Y", "Thu 5/9/2024", "2024-09-05T00:00:00"),
        ("%a %-d/%m/%Y", "Fri 5/9/2024", None),
        ("%Y/%F", "2024/2024-09-05", "2024-09-05T00:00:00"),
        ("%Y/%F", "2023/2024-09-05", None),
    ],
)
def test_datetimes_by_format(
    make_table: MakeTable, format_: str, text: str, wanted: str | None
) -> None:
    column_type = {"datetime": {"formats": [format_]}}
    assert converted(make_table, [text], column_type) == [wanted]


@pytest.mark.parametrize(
    ("values", "dtype", "wanted"),
    [
        (["1", "0"], "bool", [True, False]),
        (["1", "0", "2"], "int64", [1, 0, 2]),
        (["-9223372036854775808", "+007"], "int64", [-(2**63), 7]),
        (["9223372036854775808"], "float64", [2.0**63]),
        (["1", "1.5", "inf", "INFINITY"], "float64", [1.0, 1.5, "Infinity", "Infinity"]),
        (["1", "x"], "str", ["1", "x"]),
        (["2024-1-5", "2024/01/06"], "datetime64", ["2024-01-05T00:00:00", "2024-01-06T00:00:00"]),
        (["5-Jan-2024 10:00:00.5"], "datetime64", ["2024-01-05T10:00:00.500000"]),
        (["2024-01-05T01:00:00 UTC"], "datetime64", ["2024-01-05T01:00:00"]),
        (["13/01/2024 10:30"], "datetime64", ["2024-01-13T10:30:00"]),
        (["01/13/2024 9:30 PM"], "datetime64", ["2024-01-13T21:30:00"]),
        (["13-01-2024 10:30"], "datetime64", ["2024-01-13T10:30:00"]),
        (["2024/01/13 10:30"], "str", ["2024/01/13 10:30"]),
        (["13/01/2024 10:30:00Z"], "str", ["13/01/2024 10:30:00Z"]),
        (["2024-01-05T10:30:00+24:00"], "str", ["2024-01-05T10:30:00+24:00"]),
        ([" 2024-01-05"], "datetime64", ["2024-01-05T00:00:00"]),
        (["2024-01-05 "], "str", ["2024-01-05 "]),
        (
            ["5-Jan-24", "05-13-24 10:30"],
            "datetime64",
            ["2024-01-05T00:00:00", "2024-05-13T10:30:00"],
        ),
        (["13/01/2024", "01-02-2024"], "datetime64", ["2024-01-13T00:00:00", None]),
        (["13/01/2024", "01-13-2024"], "datetime64", ["2024-01-13T00:00:00"] * 2),
        (["13/01/2024", "01/13/2024", "2024-01-05"], "str", None),
        (["NaN", "nan"], "float64", [None, None]),
        (["YES", "NO"], "bool", [True, False]),
        (["2024-01-05", "1600-01-01"], "datetime64", ["2024-01-05T00:00:00", None]),
        (["31/01/2024", "2024-01-05", "02/03/2024"], "datetime64", None),
    ],
)
def test_inference(
    make_table: MakeTable, values: list[str], dtype: str, wanted: list[Any] | None
) -> None:
    folder = make_table([("v\n" + "\n".join(values) + "\n").encode()], "read_delimited")
    column = load_table(str(folder)).to_pandas()["v"]
    assert str(column.dtype).replace("object", "str").startswith(dtype)
    if wanted is not None:
        assert [as_json(value) for value in column.tolist()] == wanted


def test_dates_have_the_formats_of_the_first_rows(make_table: MakeTable) -> None:
    lines = ["2024-01-05", "6-Jan-2024", "2024/01/07", "08/13/2024", " 2024-01-09 ", "2024-13-01"]
    sample = {"infer_column_types": {"sample_size": 2}}
    folder = make_table([("v\n" + "\n".join(lines) + "\n").encode()], {"read_delimited": sample})
    days = load_table(str(folder)).to_pandas()["v"].dt.day
    assert [as_json(day) for day in days] == [5, 6, None, None, 9, None]


def test_values_that_do_not_fit_are_null_and_counted(make_table: MakeTable) -> None:
    good = b"".join(b"%d,2024-01-%02d\n" % (n, n % 28 + 1) for n in range(2, 300))
    folder = make_table([b"n,d\n" + good + b"many,2024-01-01\n2.5,soon\n,\n"], "read_delimited")
    table = load_table(str(folder))
    frame = table.to_pandas()
    assert frame["n"].tail(3).isna().tolist() == [True, False, True]
    assert frame["n"].iloc[-2] == 2
    assert frame["d"].tail(3).isna().tolist() == [False, True, True]
    assert table.values_set_to_null == {"n": 1, "d": 1}


def test_types_are_those_of_the_first_rows_in_every_mini_batch(make_table: MakeTable) -> None:
    rows = b"".join(b"%d,x\n" % number for number in range(2, 400))
    table = load_table(str(make_table([b"a,b\n" + rows, b"a,b\n1.5,7\n"], "read_delimited")))
    *_, (_, last) = table.mini_batches(mini_batch_size=100)
    assert last.to_dict("list") == {"a": [1], "b": ["7"]}


def test_a_column_known_to_hold_nulls_has_the_same_dtype_everywhere(make_table: MakeTable) -> None:
    table = load_table(str(make_table([b"i,f,b\n1,2,t\n2,3,f\n,,\n"], "read_delimited")))
    for _, frame in table.mini_batches(mini_batch_size=1):
        assert [str(dtype) for dtype in frame.dtypes] == ["float64", "float64", "object"]


def test_partition_columns_of_a_delta_table(tmp_path: Path) -> None:
    rows = {
        "id": [1, 2, 3, 4],
        "day": pa.array([0, 1, 1, None], pa.date32()),
        "shop": ["a b", "c%/", "é", None],
    }
    write_deltalake(str(tmp_path / "t"), pa.table(rows), partition_by=["day", "shop"])
    steps = "[read_delta_lake, filter: 'shop != \"é\"']"
    (tmp_path / "MLTable").write_text(f"paths: [{{folder: t}}]\ntransformations: {steps}\n")
    frame = load_table(str(tmp_path)).to_pandas().sort_values("id")
    assert frame["id"].tolist() == [1, 2]
    assert [str(day.date()) for day in frame["day"]] == ["1970-01-01", "1970-01-02"]
    assert frame["shop"].tolist() == ["a b", "c%/"]


def test_versions_of_a_delta_table(tmp_path: Path) -> None:
    for value in (1, 2):
        write_deltalake(str(tmp_path / "t"), pa.table({"v": [value]}), mode="overwrite")

    def read(**options: Any) -> list[int]:
        mltable = {"paths": [{"folder": "t"}], "transformations": [{"read_delta_lake": options}]}
        (tmp_path / "MLTable").write_text(yaml.safe_dump(mltable))
        values: list[int] = load_table(str(tmp_path)).to_pandas()["v"].tolist()
        return values

    assert read() == [2]
    assert read(version_as_of=0) == [1]
    assert read(timestamp_as_of="1999-01-01T00:00:00Z") == [1]
    assert read(timestamp_as_of="2999-01-01T00:00:00+02:00") == [2]
    table = tmp_path / "MLTable"
    table.write_text(table.read_text().replace("'", ""))
    assert "timestamp_as_of: 2999" in table.read_text()
    assert load_table(str(tmp_path)).to_pandas()["v"].tolist() == [2]
    for wrong in (
        {"version_as_of": 7},
        {"timestamp_as_of": "soon"},
        {"timestamp_as_of": "2024-01-01"},
    ):
        with pytest.raises(InvalidInput, match="cannot be read as a Delta table"):
            read(**wrong)
    with pytest.raises(InvalidInput, match="choose one"):
        read(version_as_of=0, timestamp_as_of="2999-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("folder: t", "requires reader version 2; supported is 1"),
        ("file: t/x", "needs folder: entries, not file:"),
    ],
)
def test_delta_tables_that_cannot_be_read(tmp_path: Path, entry: str, why: str) -> None:
    write_deltalake(str(tmp_path / "t"), pa.table({"v": [1]}))
    (log,) = (tmp_path / "t" / "_delta_log").glob("*.json")
    of_version_2 = log.read_text().replace('"minReaderVersion":1', '"minReaderVersion":2')
    log.write_text(of_version_2)
    (tmp_path / "MLTable").write_text(f"paths: [{{{entry}}}]\ntransformations: [read_delta_lake]\n")
    with pytest.raises(InvalidInput) as refused:
        load_table(str(tmp_path)).to_pandas()
    assert why in str(refused.value)


def test_without_the_extra_a_delta_table_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "MLTable").write_text("paths: [{folder: t}]\ntransformations: [read_delta_lake]\n")
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(InvalidInput, match=r"pip install 'prefect-parallel\[delta\]'"):
        load_table(str(tmp_path)).to_pandas()


def test_a_column_that_some_files_lack_has_the_same_dtype_everywhere(make_table: MakeTable) -> None:
    table = load_table(str(make_table([b'{"a":1}\n', b'{"b":2}\n'], "read_json_lines")))
    for _, frame in table.mini_batches():
        assert [str(dtype) for dtype in frame.dtypes] == ["float64", "float64"]


def test_a_wider_type_after_the_preview_is_kept(make_table: MakeTable) -> None:
    def parquet(values: list[float] | list[int]) -> bytes:
        file = io.BytesIO()
        pq.write_table(pa.table({"v": values}), file)
        return file.getvalue()

    folder = make_table([parquet([1])] * 300 + [parquet([2.5])], "read_parquet")
    *_, (_, last) = load_table(str(folder)).mini_batches()
    assert last["v"].tolist() == [2.5]
    assert load_table(str(folder)).to_pandas()["v"].tolist() == [1.0] * 300 + [2.5]


def test_overrides_must_name_columns_once(make_table: MakeTable) -> None:
    def read(*overrides: dict[str, Any]) -> None:
        inference = {"column_type_overrides": list(overrides)}
        options = {"infer_column_types": inference}
        load_table(str(make_table([ROWS], {"read_delimited": options}))).to_pandas()

    read({"columns": ["n", "c"], "column_type": "string"})
    with pytest.raises(InvalidMLTable, match="names 'gone', which is not a column"):
        read({"columns": "gone", "column_type": "int"})
    with pytest.raises(InvalidMLTable, match="names 'n' twice"):
        read({"columns": "n", "column_type": "int"}, {"columns": "n", "column_type": "float"})


def test_a_filter_that_fails_after_the_preview_fails_its_mini_batch(
    make_table: MakeTable,
) -> None:
    rows = b"".join(b"%d\n" % (number + 7) for number in range(400_000))
    folder = make_table([b"n\n" + rows + b"0\n"], "read_delimited", {"filter": "1 / n > 2"})
    table = load_table(str(folder))
    frames = table.mini_batches()
    assert next(frames)[1].empty
    with pytest.raises(UnreadableMiniBatch, match="division by zero"):
        list(frames)


@pytest.mark.parametrize(
    ("header", "options", "names"),
    [
        ("x,y,x,y,x", {}, ["x", "y", "x_1", "y_2", "x_3"]),
        ("a,a_1,a", {}, ["a", "a_1", "a_1_2"]),
        (" a ,,Column2", {}, ["a", "Column2", "Column2_1"]),
        ("a,,c", {"include_path_column": True}, ["Path", "a", "Column3", "c"]),
    ],
)
def test_names_from_a_header(
    make_table: MakeTable, header: str, options: dict[str, Any], names: list[str]
) -> None:
    row = ",".join("1" for _ in header.split(","))
    folder = make_table([f"{header}\n{row}\n".encode()], {"read_delimited": options})
    assert list(load_table(str(folder)).to_pandas()) == names


@pytest.mark.parametrize("first", [b"\n", b"\r\n", b"\xef\xbb\xbf"])
def test_a_first_file_without_names(make_table: MakeTable, first: bytes) -> None:
    rows = {"from_first_file": [["a", "b"], ["7", "8"]], "all_files_same_headers": [[7, 8]]}
    for header, wanted in rows.items():
        folder = make_table([b"", first, b"a,b\n7,8\n"], {"read_delimited": {"header": header}})
        frame = load_table(str(folder)).to_pandas()
        assert (list(frame), frame.to_numpy().tolist()) == (["Column1", "Column2"], wanted)


def test_json_columns_are_in_the_order_of_first_appearance(make_table: MakeTable) -> None:
    first, then = b'{"a": null, "b": 1}\n', b'{"a": 2, "b": 3, "c": 4}\n'
    for files in ([first, then], [b"\n", first + then]):
        table = load_table(str(make_table(files, "read_json_lines", {"drop_columns": "c"})))
        assert list(table.to_pandas()) == ["a", "b"]
    twice = {"convert_column_types": [{"columns": "a", "column_type": "boolean"}]}
    table = load_table(str(make_table([b"\n", b'{"a": [1], "b": 1}\n'], "read_json_lines", twice)))
    assert list(table.to_pandas()) == ["a", "b"]


@pytest.mark.parametrize("codec", ["utf8", "utf-16-le"])
@pytest.mark.parametrize(
    "lines", ['{"a": 1}\r\n\r\n\r\n{"a": 2}\r\n', '\r\n{"a": 1}\n{"a": 2}\n\r\n']
)
def test_empty_lines_of_json_may_end_with_crlf(
    make_table: MakeTable, codec: str, lines: str
) -> None:
    read = {"read_json_lines": {"encoding": codec.removesuffix("-le").replace("-", "")}}
    # Arrow, orjson and Python's parser read them.
    for others in ("", '{"a": [1]}\r\n', f'{{"a": {2**70}}}\n'):
        table = load_table(str(make_table([(lines + others).encode(codec)], read)))
        found = [len(frame) for _, frame in table.mini_batches("1 rows")]
        assert found == [1] * (2 + bool(others))
        assert table.to_pandas()["a"].tolist()[:2] == [1, 2]


@pytest.mark.parametrize("line", [b" \r\n", b" \n", b"null\n", b'{"a": NaN}\n'])
def test_json_lines_without_an_object_are_invalid(make_table: MakeTable, line: bytes) -> None:
    data = b'{"a": 1}\n\n' + line
    for mini_batch_size in (1, 1000):
        table = load_table(str(make_table([data], "read_json_lines")))
        with pytest.raises(PrefectParallelError, match=r"line [13] "):
            list(table.mini_batches(mini_batch_size=mini_batch_size))
    with pytest.raises(PrefectParallelError, match="line 3"):
        load_table(str(make_table([data], "read_json_lines"))).to_pandas()
    lax = {"read_json_lines": {"invalid_lines": "drop"}}
    assert load_table(str(make_table([data], lax))).to_pandas()["a"].tolist() == [1]


# Each is read differently by orjson or by Arrow.
@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('{"v": [18446744073709551616]}', [2**64]),
        ('{"v": [-9223372036854775809]}', [-(2**63) - 1]),
        ('{"v": [0.00012345678901234567]}', [0.00012345678901234567]),
        ('{"v": ["12345678901234567890"]}', ["12345678901234567890"]),
        ('{"v": [1e400]}', [float("inf")]),
        ('{"v": [-0, -0.0, 1, 1.0]}', [0, -0.0, 1, 1.0]),
        (r'{"v": ["\ud800"]}', ["\ud800"]),
        ('{"v": ["{ :) ", ":", {"x" : "y:"}]}', ["{ :) ", ":", {"x": "y:"}]),
        ('{"v": ["a\\":", {"x" \t: 1}]}', ['a":', {"x": 1}]),
        ('{"v": [1]} {"v": [2]}', [1]),
        ('{"v": [{"x": 1, "x": 2}]}', None),
        (r'{"v": [{"x": 1, "\u0078": 2}, ":"]}', None),
        ('{"v": [{"x" : 1, "x": 2}, "\\":"]}', None),
        ('{"v": [1]\n}', None),
    ],
)
def test_lines_of_json_are_read_exactly(make_table: MakeTable, line: str, value: Any) -> None:
    lax = {"read_json_lines": {"invalid_lines": "drop"}}
    data = f'{{"v": [0]}}\n{line}\n{{"v": [9]}}\n'.encode()
    found = load_table(str(make_table([data], lax))).to_pandas()["v"].tolist()
    assert repr(found) == repr([[0], *([] if value is None else [value]), [9]])


def test_flat_lines_of_json_are_read_exactly(make_table: MakeTable) -> None:
    """Arrow would read two rows of two lines, and an integer as a float."""
    lax = {"read_json_lines": {"invalid_lines": "drop"}}
    for data, wanted in [
        (b'{"v": 1}{"v": 2}\n', [1]),
        (b'{"v": 1}{"v": 2}\n{"v":\n3}\n', [1]),
        (b'{"v": 1} \r\n\n{"v": 2}\t\n', [1, 2]),
        (b'{"v": 1}\nnull\n{"v": 2}', [1, 2]),
        (b'{"v": 1.5}\n{"v": 2}\n{"\\u0076": 3}\n{"v" : 4.0}\n', [1.5, None, None, 4.0]),
        (b'{"v": 1.5}\n{"v": 1e1}\n{"v": 18446744073709551616}', [1.5, 10.0, 2.0**64]),
    ]:
        found = load_table(str(make_table([data], lax))).to_pandas()["v"]
        assert found.astype(object).where(found.notna(), None).tolist() == wanted


def test_half_a_utf16_character(make_table: MakeTable) -> None:
    folder = make_table([b"name\nxy,\n"], {"read_delimited": {"encoding": "utf16"}})
    with pytest.raises(PrefectParallelError, match="not UTF-16"):
        load_table(str(folder)).to_pandas()


@pytest.mark.parametrize("key", ["metadata: 5", "traits: [a]", "$schema: 5", "metadata:"])
def test_ignored_keys_are_checked(make_table: MakeTable, key: str) -> None:
    folder = make_table([b"a\n7\n"], "read_delimited")
    with (folder / "MLTable").open("a") as file:
        file.write(key + "\n")
    with pytest.raises(InvalidMLTable, match=key.split(":")[0].strip("$")):
        load_table(str(folder))


def test_duplicate_columns(make_table: MakeTable) -> None:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), file)
    with pytest.raises(InvalidInput, match=r"0\.data: duplicate column 'a'"):
        load_table(str(make_table([file.getvalue()], "read_parquet"))).to_pandas()


def test_an_override_of_a_column_of_a_later_file(make_table: MakeTable) -> None:
    rows = b"".join(b"%d\n" % number for number in range(400_000))
    options = {
        "header": "all_files_different_headers",
        "infer_column_types": {"column_type_overrides": [{"columns": "b", "column_type": "int"}]},
    }
    folder = make_table([b"a\n" + rows, b"", b"b\n007\n"], {"read_delimited": options})
    *_, (_, last) = load_table(str(folder)).mini_batches()
    assert last["b"].tolist() == [7]


def test_path_columns_without_a_path(make_table: MakeTable) -> None:
    extract = {"extract_columns_from_partition_format": {"partition_format": "/{p}/a"}}
    read = {"read_delimited": {"include_path_column": True}}
    with_path = load_table(str(make_table({"x/a": b"n\n7\n"}, read, extract))).to_pandas()
    assert with_path["p"].tolist() == ["x"]
    drop = {"drop_columns": "Path"}
    without = load_table(str(make_table({"x/a": b"n\n7\n"}, read, drop, extract))).to_pandas()
    assert without["p"].isna().all()
