"""What `run` returned, read back from the aggregated output with pandas, is equal."""

from __future__ import annotations

import datetime
import decimal
import io
import json
import math
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.formats import Parts, UnencodableReturn
from prefect_parallel.output.mixed_returns import MixedReturns
from prefect_parallel.output.totals import count, records
from tests.output.test_aggregate import commit, join, joined

UTC = datetime.timezone.utc
DAY = datetime.date(2024, 5, 6)
MORNING = datetime.datetime(2024, 5, 6, 7, 8)

FORMATS = ("out.csv", "out.jsonl", "out.parquet")

# From 1970 on, for offsets of old have seconds.
NANOSECONDS = st.integers(0, 2**62) | st.integers(0, 10**9).map(lambda n: n * 10**9)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), min_size=1)
INTEGERS = {f"{sign}{bits}": st.integers(
    0 if sign == "uint" else -(2 ** (bits - 1)), 2 ** (bits - (sign == "int")) - 1
) for sign in ("int", "uint") for bits in (8, 16, 32, 64)}  # fmt: skip
SERIES: dict[str, st.SearchStrategy[pd.Series[Any]]] = {
    **{
        kind: st.lists(values, min_size=1, max_size=5).map(
            lambda found, kind=kind: pd.Series(found, dtype=kind)
        )
        for kind, values in {
            **INTEGERS,
            "bool": st.booleans(),
            "float64": st.floats(allow_infinity=False),
            "float32": st.floats(allow_infinity=False, width=32),
            "Int64": st.none() | INTEGERS["int64"],
            "Float64": st.none() | st.floats(allow_infinity=False, allow_nan=False),
            "boolean": st.none() | st.booleans(),
            "str": st.none() | TEXT,
            "object": st.none() | TEXT,
            "category": st.none() | TEXT,
        }.items()
    },
    **{
        kind: st.lists(st.none() | NANOSECONDS, min_size=1, max_size=5).map(
            lambda found, make=make: make(found)
        )
        for kind, make in {
            "datetime64[ns]": lambda found: pd.Series(
                pd.to_datetime(found, unit="ns").as_unit("ns")
            ),
            "datetime64[ns, zone]": lambda found: pd.Series(
                pd.to_datetime(found, unit="ns", utc=True).as_unit("ns").tz_convert("Europe/Berlin")
            ),
            "timedelta64[ns]": lambda found: pd.Series(pd.to_timedelta(found, unit="ns")),
            **{
                f"{kind}[pyarrow]": lambda found, kind=kind: pd.Series(
                    pa.array(found, pa.int64()).cast(kind).to_pandas(types_mapper=pd.ArrowDtype)
                )
                for kind in (
                    pa.int64(),
                    pa.string(),
                    pa.timestamp("ns"),
                    pa.timestamp("ns", "Europe/Berlin"),
                )
            },
            "date32[pyarrow]": lambda found: pd.Series(
                pa.array([None if n is None else n % 10**5 for n in found], pa.int32())
                .cast(pa.date32())
                .to_pandas(types_mapper=pd.ArrowDtype)
            ),
        }.items()
    },
}


def read_back(target: Path, like: pd.Series[Any]) -> pd.Series[Any]:
    """The column `c` as pandas reads it, with the type that it had."""
    if target.suffix == ".parquet":
        backend = {"dtype_backend": "numpy_nullable"} if str(like.dtype)[0].isupper() else {}
        return pd.read_parquet(target, **backend)["c"].astype(like.dtype)
    if target.suffix == ".jsonl":
        # pandas' own parser rounds: its reader of values is Python's.
        rows = [json.loads(line)["c"] for line in target.open()]
        found = pd.Series(rows, dtype=object)
    else:
        # A tab alone is a blank line for pandas.
        as_text = {"dtype": str, "keep_default_na": False, "na_values": [""]}
        found = pd.read_csv(target, skip_blank_lines=False, **as_text)["c"]
        found = found.astype(object).where(found.notna(), None)
    return typed(found, like)


def typed(found: pd.Series[Any], like: pd.Series[Any]) -> pd.Series[Any]:
    kind = like.dtype.kind
    if kind == "M":
        times = pd.to_datetime(found, format="ISO8601", utc=True).dt.tz_localize(None)
        if isinstance(like.dtype, pd.ArrowDtype):
            zone = getattr(like.dtype.pyarrow_dtype, "tz", None)
            return (times if zone is None else times.dt.tz_localize("UTC")).astype(like.dtype)
        zone = getattr(like.dtype, "tz", None)
        whole = times.astype("datetime64[ns]")
        return whole if zone is None else whole.dt.tz_localize("UTC").dt.tz_convert(zone)
    if kind == "m":
        return pd.to_timedelta(found).astype(like.dtype)
    read = {"b": lambda cell: cell in ("True", True), "i": int, "u": int, "f": float}.get(kind)
    if read is not None:
        found = pd.Series([None if cell is None else read(cell) for cell in found], dtype=object)
    return found.astype(like.dtype)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", SERIES)
def test_a_column_of_any_type_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory, name: str, kind: str
) -> None:
    @settings(max_examples=25, deadline=None)
    @given(SERIES[kind], SERIES[kind])
    def reads_back(first: pd.Series[Any], second: pd.Series[Any]) -> None:
        folder = tmp_path_factory.mktemp("out")
        frames = [pd.DataFrame({"c": first}), pd.DataFrame({"c": second})]
        target = joined(folder, name, frames, header=True)
        returned = pd.concat([first, second], ignore_index=True)
        # Two categoricals become objects.
        returned = returned.astype("object" if kind == "category" else first.dtype)
        found = read_back(target, returned)
        pd.testing.assert_series_equal(
            found.astype(object).where(found.notna(), None),
            returned.astype(object).where(returned.notna(), None),
            check_names=False,
        )

    reads_back()


@given(st.lists(st.dictionaries(TEXT, st.floats() | st.integers() | TEXT | st.none()), max_size=4))
def test_json_lines_of_dicts_read_back_equal(
    tmp_path_factory: pytest.TempPathFactory, elements: list[dict[str, Any]]
) -> None:
    target = joined(tmp_path_factory.mktemp("out"), "out.jsonl", [elements])

    def expected(value: Any) -> Any:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    found = [json.loads(line, parse_constant=pytest.fail) for line in target.open()]
    assert found == [{key: expected(value) for key, value in each.items()} for each in elements]


def test_what_json_lacks_is_null_and_counted(tmp_path: Path) -> None:
    frame = pd.DataFrame({
        "p": [1 / 3, 1e-12 / 3, float("inf"), float("nan")],
        "when": pd.to_datetime([1, None, 10**18 + 1, 0], unit="ns"),
        "deep": pd.Series([[1.5, float("-inf")], {"x": float("nan")}, pd.NA, np.float64("inf")]),
    })  # fmt: skip
    target = joined(tmp_path, "out.jsonl", [frame, frame[["p", "when"]]])
    rows = [json.loads(line, parse_constant=pytest.fail) for line in target.open()]
    assert [row["p"] for row in rows] == [1 / 3, 1e-12 / 3, None, None] * 2
    assert rows[0]["when"] == "1970-01-01T00:00:00.000000001"
    assert [row["deep"] for row in rows] == [[1.5, None], {"x": None}, None, None] + [None] * 4
    totals = count(records(StepDirectory(tmp_path / "step"), 2))
    assert totals.written_as_null == {"p": 2, "deep": 2}


def test_json_lines_of_elements_that_json_lacks(tmp_path: Path) -> None:
    elements = [
        {"a": float("inf"), "b": [float("nan"), np.float32(0.1)]},
        np.datetime64("2024-01-01T00:00:00.000000001"),
        np.array(["2024-01-01", "NaT"], "M8[D]"),
        [pd.NaT, pd.NA, decimal.Decimal("3.30"), datetime.time(1, 2)],
        "no\udc80text",
        float("-inf"),
    ]
    target = joined(tmp_path, "out.jsonl", [elements])
    assert [json.loads(line) for line in target.open()] == [
        {"a": None, "b": [None, float(np.float32(0.1))]},
        "2024-01-01T00:00:00.000000001",
        ["2024-01-01", None],
        [None, None, "3.30", "01:02:00"],
        "no\udc80text",
        None,
    ]
    assert count(records(StepDirectory(tmp_path / "step"), 1)).written_as_null == {
        "a": 1,
        "value": 1,
    }


@pytest.mark.parametrize("name", FORMATS)
def test_parts_get_the_union_of_all_columns(tmp_path: Path, name: str) -> None:
    frames = [
        pd.DataFrame({"b": [1], "a": ['x, "y"']}),
        pd.DataFrame({"a": ["two\nlines"], "b": [2]}),
        pd.DataFrame({"c": [0.1], "b": [3]}),
    ]
    target = joined(tmp_path, name, frames, header=True)
    if name == "out.csv":
        assert target.read_text() == 'b,a,c\n1,"x, ""y""",\n2,"two\nlines",\n3,,0.1\n'
    elif name == "out.jsonl":
        assert [list(json.loads(line)) for line in target.open()] == [["b", "a", "c"]] * 3
    read = {"out.csv": pd.read_csv, "out.parquet": pd.read_parquet}.get(
        name, lambda path: pd.read_json(path, lines=True)
    )
    expected = pd.concat(frames, ignore_index=True)
    pd.testing.assert_frame_equal(read(target), expected, check_dtype=False)


def test_csv_keeps_columns_of_one_name_apart(tmp_path: Path) -> None:
    one = pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"])
    other = pd.DataFrame([[4, 5]], columns=["b", "a"])
    target = joined(tmp_path, "out.csv", [one, other], header=True)
    assert target.read_text() == "a,b,a\n1,2,3\n5,4,\n"


def test_a_large_cell_of_a_part_with_other_columns(tmp_path: Path) -> None:
    text = "x, " * 100_000
    frames = [pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [text]})]
    target = joined(tmp_path, "out.csv", frames)
    assert target.read_text() == f'1,\n,"{text}"\n'


def test_parquet_of_dicts_has_every_key(tmp_path: Path) -> None:
    parts = [
        [{"file": "a"}, {"file": "b", "error": "late"}],
        [{}, {"a": 1}],
        [{}],
        [{"file": None, "a": 2.5}],
    ]
    table = pq.read_table(joined(tmp_path, "out.parquet", parts))
    assert table.column_names == ["file", "error", "a"]
    assert table.to_pylist() == [
        {"file": "a", "error": None, "a": None},
        {"file": "b", "error": "late", "a": None},
        {"file": None, "error": None, "a": None},
        {"file": None, "error": None, "a": 1},
        {"file": None, "error": None, "a": None},
        {"file": None, "error": None, "a": 2.5},
    ]


def test_parquet_rows_without_any_column_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(MixedReturns, match=r"rows without any column, .* in mini-batches 0, 1$"):
        joined(tmp_path, "out.parquet", [[{}, {}], [{}]])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2.5], pa.float64()),
        ([None, "x"], pa.string()),
        ([np.uint8(1), np.int8(-1)], pa.int16()),
        ([np.datetime64(1, "s"), np.datetime64(1, "ns")], pa.timestamp("ns")),
        ([[1], [0.5]], pa.list_(pa.float64())),
        ([{"x": 1}, {"y": "z"}], pa.struct([("x", pa.int64()), ("y", pa.string())])),
        ([decimal.Decimal("1.5"), decimal.Decimal("10.25")], pa.decimal128(4, 2)),
        ([decimal.Decimal("1.5"), 7], pa.decimal128(21, 1)),
    ],
    ids=str,
)
def test_parquet_types_become_one_that_loses_nothing(
    tmp_path: Path, values: list[Any], expected: pa.DataType
) -> None:
    parts = [[{"a": value}] for value in values]
    table = pq.read_table(joined(tmp_path, "out.parquet", parts))
    assert table.schema.field("a").type.equals(expected)
    assert len(table["a"].drop_null()) == len([value for value in values if value is not None])


@pytest.mark.parametrize(
    ("values", "types"),
    [
        ([1, "x"], ("int64", "string")),
        ([True, 1], ("bool", "int64")),
        ([pd.Timestamp(0), pd.Timestamp(0, tz="UTC")], ("timestamp[", "timestamp[")),
        ([b"x", "x"], ("binary", "string")),
        ([[b"x"], ["x"]], ("list<", "list<")),
        ([{"x": b"x"}, {"x": "x"}], ("struct<", "struct<")),
        ([{"x": decimal.Decimal("0.1")}, {"x": 0.1}], ("struct<", "struct<")),
        ([decimal.Decimal("0.1"), 0.1], ("decimal128(1, 1)", "double")),
        ([[1], 1], ("list<", "int64")),
    ],
    ids=str,
)
def test_parquet_types_that_do_not_fit_are_one_error(
    tmp_path: Path, values: list[Any], types: tuple[str, str]
) -> None:
    parts = [[{"a": values[0]}], [{"a": values[1]}], [{"a": values[0]}], [{"b": 1}]]
    with pytest.raises(MixedReturns) as caught:
        joined(tmp_path, "out.parquet", parts)
    said = str(caught.value)
    assert said.startswith("column 'a' has types that do not fit into one column:")
    assert f"  {types[0]}" in said
    assert "in mini-batches 0, 2\n" in said
    assert f"  {types[1]}" in said
    assert " in mini-batch 1\n" in said
    assert "let append_row_to name a .jsonl file" in said


def test_an_integer_that_no_double_holds_is_an_error(tmp_path: Path) -> None:
    table = pq.read_table(joined(tmp_path, "out.parquet", [[{"a": 0.5}], [{"a": 2**53}]]))
    assert table["a"].to_pylist() == [0.5, 2**53]
    with pytest.raises(MixedReturns) as caught:
        joined(tmp_path, "out.parquet", [[{"a": 0.5}], [{"a": 2**60 + 1}], [{"a": 1}]])
    for found in ("double in mini-batch 0", "int64 in mini-batches 1, 2", "2**53 in mini-batch 1"):
        assert f"{found}\n" in str(caught.value)
    # Only the values show that they do not fit.
    with pytest.raises(MixedReturns, match=r"column 'a' is list.* in mini-batch 1 and, ") as caught:
        joined(tmp_path, "out.parquet", [[{"a": [0.5]}], [{"a": [2**60 + 1]}]])
    assert "double>: Integer value 1152921504606846977 not in range" in str(caught.value)


@pytest.mark.parametrize("missing", [math.nan, None, pd.NaT])
@pytest.mark.parametrize("value", ["x", {"x": 1}], ids=str)
def test_a_column_without_any_value_fits_every_type(
    tmp_path: Path, missing: Any, value: Any
) -> None:
    frames = [pd.DataFrame({"a": [missing]}), pd.DataFrame({"a": [value]})]
    assert pd.read_parquet(joined(tmp_path, "out.parquet", frames))["a"].tolist()[1] == value
    (tmp_path / "alone").mkdir()
    target = joined(tmp_path / "alone", "out.parquet", frames[:1])
    assert pd.read_parquet(target)["a"].dtype.kind == frames[0]["a"].dtype.kind


def test_categories_of_many_parts(tmp_path: Path) -> None:
    """Each part has few, with indexes of one byte; together they need more."""
    frames = []
    for part in range(3):
        texts = pd.Categorical([f"{part}-{n}" for n in range(100)])
        plain = pa.DictionaryArray.from_pandas(texts)
        nested = {
            "struct": pa.StructArray.from_arrays([plain], ["x"]),
            "list": pa.ListArray.from_arrays(pa.array(range(101), pa.int32()), plain),
        }
        arrays = {name: pd.arrays.ArrowExtensionArray(array) for name, array in nested.items()}
        frames.append(pd.DataFrame({"plain": texts, **arrays}))
    found = pq.read_table(joined(tmp_path, "out.parquet", frames))
    wanted = [f"{part}-{n}" for part in range(3) for n in range(100)]
    assert found["plain"].to_pylist() == wanted
    assert found["struct"].to_pylist() == [{"x": text} for text in wanted]
    assert found["list"].to_pylist() == [[text] for text in wanted]


@pytest.mark.parametrize(
    ("returned", "why"),
    [
        ([{"a": 1}, {"a": "x"}], r"values of 'a' that one Parquet column cannot hold \(int, str\)"),
        (["x", 1], "values of 'value' that one Parquet column cannot hold"),
        (
            pd.DataFrame({"b": pd.Series([1, "x"], dtype=object)}),
            r"values of 'b' that one Parquet column cannot hold \(int, str\)",
        ),
        (pd.DataFrame({"b": [1j]}), "a column 'b' of type complex128, which Parquet cannot hold"),
        ([DAY, MORNING], r"\(date, datetime\): (?s:.*)hint: return values of one type"),
        (pd.DataFrame({"a": [DAY, MORNING]}), r"values of 'a' .* \(date, datetime\)"),
        ([{"a": [{"b": DAY}]}, {"a": [{"b": MORNING}]}], r"values of 'a\.b' .*\(date, datetime\)"),
        ([b"x", "x"], r"\(bytes, str\)"),
        ([MORNING, MORNING.replace(tzinfo=UTC)], r"\(datetime, datetime with time zone\)"),
        ([datetime.time(1, tzinfo=UTC)], r"\(time with time zone\)"),
        ([True, 1], r"\(bool, int\)"),
        ([0.5, 2**60 + 1], "Integer value 1152921504606846977 not in range"),
        ([2**70], r"\(int\): Python int too large"),
        ([{"a": {}}], "'a' .* cannot store an empty dict"),
        ([{"a": 1, "b": ...}], r"\(ellipsis\)"),
    ],
    ids=str,
)
def test_what_parquet_cannot_hold_is_an_error_of_its_mini_batch(
    tmp_path: Path, returned: Any, why: str
) -> None:
    with pytest.raises(UnencodableReturn, match=why):
        joined(tmp_path, "out.parquet", [returned])


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
@pytest.mark.parametrize(
    ("returned", "which"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "'a'\n"),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), "'1': 1 and '1'"),
        ([{1: "x", "1": "y"}], "'1'"),
        ([{"a": [{1: "x", "1": "y"}]}], "'1'"),
    ],
    ids=str,
)
def test_two_columns_of_one_name_are_an_error(
    tmp_path: Path, name: str, returned: Any, which: str
) -> None:
    with pytest.raises(UnencodableReturn, match=f"two columns or keys named {which}"):
        joined(tmp_path, name, [returned])


PARQUET_VALUES = {
    pa.float64(): st.floats(allow_nan=False) | st.integers(-(2**53), 2**53),
    pa.string(): TEXT | TEXT.map(np.str_),
    pa.timestamp("ns"): st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2200, 1, 1))
    | NANOSECONDS.map(pd.Timestamp)
    | st.integers(0, 2**32).map(lambda n: np.datetime64(n, "s")),
    pa.timestamp("ns", "UTC"): st.sampled_from(["UTC", "Europe/Berlin", "+01:00"]).flatmap(
        lambda zone: NANOSECONDS.map(lambda n: pd.Timestamp(n, tz=zone))
    ),
    pa.duration("ns"): NANOSECONDS.map(pd.Timedelta) | st.just(datetime.timedelta(1)),
    pa.list_(pa.float64()): st.lists(st.floats(allow_nan=False) | st.just(1))
    | st.lists(st.floats(allow_nan=False)).map(np.array)
    | st.just((1, 2.5)),
    pa.struct([("x", pa.int64()), ("y", pa.timestamp("ns"))]): st.fixed_dictionaries({
        "x": st.none() | st.integers(-(2**63), 2**63 - 1),
        "y": NANOSECONDS.map(pd.Timestamp) | st.just(pd.NaT),
    }),
}  # fmt: skip


@pytest.mark.parametrize("wanted", PARQUET_VALUES, ids=str)
@pytest.mark.parametrize(
    "make",
    [lambda column: [{"c": value} for value in column], lambda column: pd.DataFrame({"c": column})],
    ids=["dicts", "DataFrame"],
)
def test_parquet_holds_every_value_of_one_part_or_two(
    tmp_path_factory: pytest.TempPathFactory, wanted: pa.DataType, make: Any
) -> None:
    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.none() | PARQUET_VALUES[wanted], min_size=2, max_size=6), st.integers(1, 2))
    def holds(values: list[Any], in_parts: int) -> None:
        parts = [make(pd.Series(values[at::in_parts], dtype=object)) for at in range(in_parts)]
        written = joined(tmp_path_factory.mktemp("out"), "out.parquet", parts)
        found = pq.read_table(written)["c"]
        expected = [value for at in range(in_parts) for value in values[at::in_parts]]
        assert found.cast(wanted).to_pylist() == [exact(value, wanted) for value in expected]

    holds()


def exact(value: Any, type_: pa.DataType) -> Any:
    """A value as Arrow gives one of a type."""
    if isinstance(value, dict):
        return {field.name: exact(value[field.name], field.type) for field in type_}
    if pa.types.is_list(type_):
        return None if value is None else [float(each) for each in value]
    if pa.types.is_timestamp(type_) and value is not None and value is not pd.NaT:
        return pd.Timestamp(value)
    return None if value is pd.NaT else value


@pytest.mark.parametrize(
    ("element", "why"),
    [
        ({(1, 2): 3}, "keys must be str"),
        (np.longdouble("0.1"), "longdouble has more digits"),
        ([np.array([0.1], np.longdouble)], "longdouble has more digits"),
        (10**5000, "digits"),
    ],
    ids=["key", "longdouble", "longdoubles", "digits"],
)
def test_what_json_cannot_hold_is_an_error_of_its_mini_batch(
    tmp_path: Path, element: Any, why: str
) -> None:
    for returned in ([element], pd.DataFrame({"a": pd.Series([element], dtype=object)})):
        with pytest.raises(UnencodableReturn, match=f"what JSON cannot hold: .*{why}"):
            joined(tmp_path, "out.jsonl", [returned])


def test_csv_of_file_names_that_are_not_utf_8(tmp_path: Path) -> None:
    frames = [
        pd.DataFrame({"file": pd.Series(["b\udc80.png"], dtype=object)}),
        pd.DataFrame({"n": [1]}),
    ]
    target = joined(tmp_path, "out.csv", frames, header=True)
    assert target.read_bytes() == b"file,n\nb\x80.png,\n,1\n"
    for half in (["\ud800"], pd.DataFrame({"a": pd.Series(["\ud800"], dtype=object)})):
        with pytest.raises(UnencodableReturn, match="text that UTF-8 cannot hold"):
            joined(tmp_path, "out.csv", [half])


@pytest.mark.parametrize("of", [list, lambda arrays: pd.DataFrame({"a": arrays})])
def test_text_of_an_array_has_all_elements(tmp_path: Path, of: Any) -> None:
    text = joined(tmp_path, "out.csv", [of([np.arange(2000)])]).read_text()
    assert re.findall(r"\d+", text) == [str(number) for number in range(2000)]


@pytest.mark.parametrize("of", [list, lambda arrays: pd.DataFrame({"a": arrays})])
def test_text_of_an_array_has_all_digits_in_one_line(tmp_path: Path, of: Any) -> None:
    array = np.array([0.1234567890123456, 1e-12, 12345678.9, 1 / 3] * 10)
    text = joined(tmp_path, "out.csv", [of([array])]).read_text()
    assert [float(number) for number in text.strip("[]\n").split()] == array.tolist()
    assert text.count("\n") == 1


def test_bytes_in_csv_are_what_pandas_writes(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [b"x"], "b": [1]})
    written = io.StringIO()
    frame.to_csv(written, index=False, lineterminator="\n")
    target = joined(tmp_path, "out.csv", [frame], header=True)
    assert target.read_text() == written.getvalue() == "a,b\nb'x',1\n"


def test_joining_parquet_takes_time_in_proportion_to_the_parts(tmp_path: Path) -> None:
    directory = StepDirectory(tmp_path / "step")
    directory.parts.mkdir(parents=True)
    for index in range(800):
        commit(directory, index, pd.DataFrame({"a": range(5), "b": "text"}), "out.parquet")

    def seconds(parts: int) -> float:
        before = time.process_time()
        join(Parts(directory, parts), tmp_path / "out", "x.parquet")
        return time.process_time() - before

    # The garbage collector, and other threads of the process, take time now and then.
    few, many = (min(seconds(parts) for _ in range(3)) for parts in (200, 800))
    assert many < 8 * few


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("name", FORMATS)
def test_joining_tells_how_far_it_is_and_leaves_nothing_when_stopped(
    tmp_path: Path, name: str
) -> None:
    frames = [pd.DataFrame({"a": [number]}) for number in range(3)]
    target = joined(tmp_path, name, frames)
    target.unlink()
    # Of a driver that was killed here before.
    (target.parent / f".{name}.15061").write_bytes(b"half")
    told: list[str] = []

    def on_part(doing: str) -> None:
        told.append(doing)
        if doing == "joining parts 3/3":
            raise StoppedError

    with pytest.raises(StoppedError):
        join(Parts(StepDirectory(tmp_path / "step"), 3, on_part), target, name)
    assert told == [f"joining parts {number}/3" for number in (1, 2, 3)]
    assert list(target.parent.iterdir()) == []
