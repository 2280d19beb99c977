"""The mini-batches of any table, joined in order, are the table."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_parallel.data import load_table
from prefect_parallel.errors import InvalidInput, UnreadableMiniBatch
from tests.data.conftest import MakeTable
from tests.data.test_golden import as_json

MAX = 40
SETTINGS = settings(max_examples=MAX)


def values(frame: pd.DataFrame) -> dict[str, list[Any]]:
    return {name: [as_json(value) for value in frame[name].tolist()] for name in frame.columns}


def check_join(folder: Path, size: int) -> pd.DataFrame:
    table = load_table(str(folder))
    whole = table.to_pandas()
    frames = [frame for _, frame in table.mini_batches(mini_batch_size=size)]
    joined = pd.concat(frames, ignore_index=True) if frames else whole.iloc[:0]
    assert json.dumps(values(joined)) == json.dumps(values(whole))
    for frame in frames:
        assert list(frame.columns) == list(whole.columns)
    return whole


cells = st.one_of(
    st.text(alphabet='ab,;"\n\r 0é€😀', max_size=6),
    st.sampled_from(["", "1", "007", "-2.5", "true", "2024-01-31", "01/02/2024", "NaN"]),
)
raw_csv = st.text(alphabet='ab1,"\n\r é', max_size=60)
sizes = st.sampled_from([1, 7, 30, 1 << 20])
headers = st.sampled_from(
    ["no_header", "from_first_file", "all_files_same_headers", "all_files_different_headers"]
)


@SETTINGS
@given(
    files=st.lists(raw_csv, min_size=1, max_size=3),
    header=headers,
    multi_line=st.booleans(),
    infer=st.booleans(),
    empty_as_string=st.booleans(),
    encoding=st.sampled_from(["utf8", "utf8bom", "utf16", "utf32", "windows1252"]),
    size=sizes,
)
def test_awkward_delimited_text(
    make_table: MakeTable,
    files: list[str],
    header: str,
    multi_line: bool,
    infer: bool,
    empty_as_string: bool,
    encoding: str,
    size: int,
) -> None:
    codecs = {"utf8bom": "utf-8-sig", "utf16": "utf-16-le", "utf32": "utf-32-le"}
    codec = {"windows1252": "cp1252", **codecs}.get(encoding, encoding)
    options = {
        "header": header,
        "support_multi_line": multi_line,
        "infer_column_types": infer,
        "empty_as_string": empty_as_string,
        "encoding": encoding,
    }
    folder = make_table([text.encode(codec) for text in files], {"read_delimited": options})
    try:
        check_join(folder, size)
    except (InvalidInput, UnreadableMiniBatch) as error:
        if not multi_line or "a quote is never closed" not in str(error):
            raise


@SETTINGS
@given(
    rows=st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=12),
    line_end=st.sampled_from(["\n", "\r\n"]),
    size=sizes,
    mark=st.booleans(),
)
def test_delimited_text_from_a_csv_writer(
    make_table: MakeTable, rows: list[list[str]], line_end: str, size: int, mark: bool
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerows([["first", "second"], *rows])
    content = (b"\xef\xbb\xbf" if mark else b"") + text.getvalue().encode()
    options = {"support_multi_line": True, "infer_column_types": False}
    whole = check_join(make_table([content], {"read_delimited": options}), size)
    assert whole.values.tolist() == rows


json_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(alphabet='ab"\\\n\r é😀', max_size=5),
)
json_values = st.one_of(
    json_scalars,
    st.lists(json_scalars, max_size=2),
    st.dictionaries(st.sampled_from("xy"), json_scalars, max_size=2),
)
json_rows = st.lists(st.dictionaries(st.sampled_from("abc"), json_values, max_size=3), max_size=8)


@SETTINGS
@given(
    files=st.lists(json_rows, min_size=1, max_size=3),
    junk=st.sampled_from(["", "\n", "\r\n", "   \n", "[1]\n", "{'a': 1}\n", '{"a":1,"a":2}\n']),
    size=sizes,
)
def test_json_lines(
    make_table: MakeTable, files: list[list[dict[str, Any]]], junk: str, size: int
) -> None:
    contents = [junk + "".join(json.dumps(row) + "\n" for row in rows) for rows in files]
    step = {"read_json_lines": {"invalid_lines": "drop"}}
    whole = check_join(make_table([text.encode() for text in contents], step), size)
    assert len(whole) == sum(map(len, files))


kinds = st.sampled_from(
    [st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(-1e9, 1e9), st.text(max_size=4)]
)


@st.composite
def columns_of_a_kind(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows whose columns hold one kind of values, or almost."""
    rows = draw(st.integers(1, 10))
    columns = {}
    for name in ("a", "é", 'q"'):
        values_ = st.none() | draw(kinds)
        if draw(st.booleans()):
            values_ = values_ | st.sampled_from([7, 7.5, "7", True])
        columns[name] = draw(st.lists(values_, min_size=rows, max_size=rows))
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@SETTINGS
@given(rows=columns_of_a_kind(), escaped=st.booleans(), size=sizes)
def test_the_first_value_of_a_json_column_fixes_its_kind(
    make_table: MakeTable, rows: list[dict[str, Any]], escaped: bool, size: int
) -> None:
    lines = "".join(json.dumps(row, ensure_ascii=escaped) + "\n" for row in rows)
    whole = check_join(make_table([lines.encode()], "read_json_lines"), size)
    for name in rows[0]:
        column = [row[name] for row in rows]
        kind = next((type(value) for value in column if value is not None), None)
        wanted = [value if type(value) is kind else None for value in column]
        if kind is int and None in wanted:  # Nulls make a column of floats.
            wanted = [None if value is None else float(value) for value in wanted]
        assert values(whole)[name] == wanted


parquet_types = st.sampled_from(
    [pa.int8(), pa.int64(), pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.date32()]
)
parquet_values = {
    "int8": st.integers(-128, 127),
    # `pd.concat`, with which this test joins, rounds larger ones beside doubles.
    "int64": st.integers(-(2**53), 2**53),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "string": st.text(max_size=4),
    "date32[day]": st.dates(),
}


@st.composite
def parquet_files(draw: st.DrawFn) -> bytes:
    rows = draw(st.integers(0, 9))
    columns = {}
    for name in draw(st.lists(st.sampled_from("abc"), min_size=1, unique=True)):
        type_ = draw(parquet_types)
        value = st.none() | parquet_values[str(type_)]
        columns[name] = pa.array(draw(st.lists(value, min_size=rows, max_size=rows)), type_)
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, row_group_size=draw(st.integers(1, 5)))
    return file.getvalue()


@SETTINGS
@given(files=st.lists(parquet_files(), min_size=1, max_size=3), by_row=st.booleans(), size=sizes)
def test_parquet(make_table: MakeTable, files: list[bytes], by_row: bool, size: int) -> None:
    steps = [{"take": 1000}] if by_row else []
    whole = check_join(make_table(files, "read_parquet", *steps), size)
    assert len(whole) == sum(len(pq.read_table(io.BytesIO(file))) for file in files)


@SETTINGS
@given(
    values_=st.lists(st.integers(-3, 30) | st.none(), max_size=40),
    steps=st.lists(
        st.one_of(
            st.builds(lambda n: {"skip": n}, st.sampled_from([0, 1, 1, 4, 10])),
            st.builds(lambda n: {"take": n}, st.sampled_from([3, 25, 25])),
            st.builds(
                lambda seed: {"take_random_sample": {"probability": 0.6, "seed": seed}},
                st.integers(0, 2**40),
            ),
            st.builds(lambda n: {"filter": f"v > {n} or v < 2"}, st.integers(0, 12)),
        ),
        max_size=4,
    ),
    split_at=st.integers(0, 40),
    size=sizes,
)
def test_counting_transformations_count_the_rows_of_the_table(
    make_table: MakeTable,
    values_: list[int | None],
    steps: list[dict[str, Any]],
    split_at: int,
    size: int,
) -> None:
    parts = [values_[:split_at], values_[split_at:]]
    files = ["n,v\n" + "".join(f"x,{'' if v is None else v}\n" for v in part) for part in parts]
    folder = make_table([file.encode() for file in files], "read_delimited", *steps)
    whole = check_join(folder, size)
    if not any("take_random_sample" in step for step in steps):
        wanted = list(values_)
        for step in steps:
            ((name, option),) = step.items()
            if name == "skip":
                wanted = wanted[option:]
            elif name == "take":
                wanted = wanted[:option]
            else:
                limit = int(option.split()[2])
                wanted = [v for v in wanted if v is not None and (v > limit or v < 2)]
        if wanted:
            assert [as_json(value) for value in whole["v"].tolist()] == wanted
        else:
            assert whole.empty


@pytest.mark.parametrize(("encoding", "codec"), [("utf16", "utf-16-le"), ("utf32", "utf-32-le")])
def test_wide_characters_whose_bytes_look_like_line_ends(
    make_table: MakeTable, encoding: str, codec: str
) -> None:
    texts = ["\u0a05\u4100" * length for length in range(1, 20)]
    content = "\ufeff" + "\n".join(["text", *texts])
    options = {"encoding": encoding, "infer_column_types": False}
    folder = make_table([content.encode(codec)], {"read_delimited": options})
    for size in (1, 7, 30):
        assert check_join(folder, size)["text"].tolist() == texts


@pytest.mark.parametrize("multi_line", [False, True])
def test_records_and_headers_longer_than_a_probe(make_table: MakeTable, multi_line: bool) -> None:
    line_end = "\n" if multi_line else " "
    texts = [f"{number}{line_end}" + "x" * 600_000 for number in range(5)]
    header = "n" * 20_000
    content = "".join(f'"{text}"\n' for text in [header, *texts])
    options = {"support_multi_line": multi_line}
    folder = make_table([content.encode()], {"read_delimited": options})
    for size in (10_000, 700_000):
        assert check_join(folder, size)[header].tolist() == texts


def test_a_json_file_with_only_a_byte_order_mark(make_table: MakeTable) -> None:
    folder = make_table([b"\xef\xbb\xbf", b'{"n": 1}\n'], "read_json_lines")
    assert check_join(folder, 1)["n"].tolist() == [1]


def test_rows_of_json_lines_are_counted(make_table: MakeTable) -> None:
    lines = "".join(f'{{"n": {number}}}\n' for number in range(10))
    folder = make_table([lines.encode()] * 2, "read_json_lines", {"skip": 8}, {"take": 5})
    assert check_join(folder, 20)["n"].tolist() == [8, 9, 0, 1, 2]


def test_a_large_row_group_after_a_small_one(make_table: MakeTable) -> None:
    rows = pa.table({"n": range(20_000)})
    file = io.BytesIO()
    with pq.ParquetWriter(file, rows.schema) as writer:
        for group in (rows[:10], rows[10:]):
            writer.write_table(group)
    folder = make_table([file.getvalue()], "read_parquet")
    sizes_ = [len(frame) for _, frame in load_table(str(folder)).mini_batches("20kb")]
    assert sizes_[0] == 10
    assert len(sizes_) > 2
    assert check_join(folder, 20 * 1024)["n"].tolist() == list(range(20_000))


def test_row_groups_of_just_the_wanted_size_are_mini_batches(make_table: MakeTable) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"n": range(4000)}), file, row_group_size=1000, use_dictionary=False)
    metadata = pq.ParquetFile(file).metadata
    (size,) = {metadata.row_group(number).total_byte_size for number in range(4)}
    folder = make_table([file.getvalue()], "read_parquet")
    sizes_ = [len(frame) for _, frame in load_table(str(folder)).mini_batches(str(size))]
    assert sizes_ == [1000] * 4
