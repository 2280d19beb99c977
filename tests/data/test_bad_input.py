"""Invalid data: an error that locates it, or the behaviour of Azure's mltable 1.7."""

from __future__ import annotations

import gzip
import io
import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from prefect_parallel.data import BySize, MiniBatch, load_table, open_reader, plan
from prefect_parallel.errors import (
    EmptyInput,
    InvalidInput,
    InvalidMLTable,
    UnreadableMiniBatch,
)
from tests.data.conftest import MakeTable

GOOD = b"a,b\n1,x\n2,y\n"


def outcomes(
    folder: Path, meanwhile: Callable[[], object] = lambda: None
) -> list[pd.DataFrame | str]:
    """What each mini-batch gives: its frame, or the first line of its error."""
    made = plan(str(folder), type="mltable", mode="direct", split=BySize())
    mini_batches = [MiniBatch.from_json(m.to_json()) for m in made.mini_batches]
    reader = open_reader(made.reader)
    meanwhile()
    results: list[pd.DataFrame | str] = []
    for mini_batch in mini_batches:
        try:
            frame = reader.read(mini_batch)
        except UnreadableMiniBatch as error:
            results.append(str(error).splitlines()[0])
        else:
            assert isinstance(frame, pd.DataFrame)
            results.append(frame)
    return results


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (gzip.compress(GOOD, mtime=0), "is compressed with gzip"),
        (b"a,b\n1,\xe9t\xe9\n", "byte 6 is not utf8"),
    ],
)
def test_a_bad_file_fails_only_its_own_mini_batch(
    make_table: MakeTable, bad: bytes, why: str
) -> None:
    folder = make_table([GOOD, bad, GOOD], "read_delimited")
    first, second, third = outcomes(folder)
    assert isinstance(first, pd.DataFrame)
    assert isinstance(third, pd.DataFrame)
    assert third["b"].tolist() == ["x", "y"]
    assert isinstance(second, str)
    assert second.startswith(str(folder / "1.data"))
    assert why in second


@pytest.mark.parametrize("step", ["read_delimited", {"read_delimited": {"header": "no_header"}}])
def test_a_file_that_appears_after_planning_is_not_read(
    make_table: MakeTable, tmp_path: Path, step: Any
) -> None:
    folder = make_table([GOOD, GOOD], step)
    mltable = yaml.safe_load((folder / "MLTable").read_text())
    mltable["paths"] = [{"pattern": "*.data"}]
    (folder / "MLTable").write_text(yaml.safe_dump(mltable))
    (folder / "1.data").unlink()
    (folder / "1.data").symlink_to(tmp_path / "later")
    first, second = outcomes(folder, lambda: (tmp_path / "later").write_bytes(GOOD))
    assert isinstance(first, pd.DataFrame)
    assert second == f"{folder / '1.data'}: could not be read when the mini-batches were planned"


def test_the_file_that_gives_the_columns_must_be_readable(make_table: MakeTable) -> None:
    folder = make_table([gzip.compress(GOOD, mtime=0), GOOD], "read_delimited")
    with pytest.raises(InvalidInput, match=r"0\.data: is compressed with gzip"):
        outcomes(folder)


def test_a_truncated_parquet_file_fails_only_its_own_mini_batch(make_table: MakeTable) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2]}), file)
    folder = make_table([file.getvalue(), file.getvalue()[:-9]], "read_parquet")
    good, bad = outcomes(folder)
    assert isinstance(good, pd.DataFrame)
    assert isinstance(bad, str)
    assert bad.startswith(f"{folder / '1.data'}: ")


def test_values_that_pandas_cannot_represent_fail_only_their_mini_batch(
    make_table: MakeTable,
) -> None:
    files = []
    for nanoseconds in (1_000, 1):
        file = io.BytesIO()
        pq.write_table(pa.table({"t": pa.array([nanoseconds], pa.time64("ns"))}), file)
        files.append(file.getvalue())
    good, bad = outcomes(make_table(files, "read_parquet"))
    assert isinstance(good, pd.DataFrame)
    assert isinstance(bad, str)
    assert bad.startswith("1.data rows 0-1: cannot be converted to a DataFrame: ")


def test_a_plan_that_must_count_rows_refuses_files_that_cannot_be_read(
    make_table: MakeTable,
) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2]}), file)
    folder = make_table([file.getvalue(), file.getvalue()[:-9]], "read_parquet", {"skip": 3})
    with pytest.raises(InvalidInput, match=r"skip, take .* counted: .*1\.data"):
        outcomes(folder)


def test_an_invalid_json_line_fails_its_mini_batch_and_is_located(make_table: MakeTable) -> None:
    folder = make_table([b'{"a":1}\n', b'{"a":2}\n{"a":\n'], "read_json_lines")
    good, bad = outcomes(folder)
    assert isinstance(good, pd.DataFrame)
    assert isinstance(bad, str)
    assert f"{folder / '1.data'}: line 2 from byte 0 on is not a JSON object: '{{\"a\":'" in bad


def test_a_file_that_grows_after_planning(make_table: MakeTable) -> None:
    folder = make_table([GOOD, GOOD], "read_delimited")
    _, grown = outcomes(folder, lambda: (folder / "1.data").write_bytes(GOOD + b"3,z\n"))
    assert isinstance(grown, str)
    assert (
        "has changed since the mini-batches were planned: it had 12 bytes and now has 16" in grown
    )


def _parquet(rows: list[int]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"a": rows}), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("format_", "before", "after"),
    [
        ("read_delimited", GOOD, b"a,b\n1,x\n2,z\n"),
        ("read_json_lines", b'{"a":1}\n', b'{"a":2}\n'),
        ("read_parquet", _parquet([1, 2]), _parquet([3, 4])),
    ],
)
def test_a_file_that_is_rewritten_after_planning_with_the_same_size(
    make_table: MakeTable, format_: str, before: bytes, after: bytes
) -> None:
    assert len(before) == len(after)
    folder = make_table([before, before], format_)
    same, rewritten = outcomes(folder, lambda: rewrite(folder / "1.data", after))
    assert isinstance(same, pd.DataFrame)
    assert isinstance(rewritten, str)
    assert rewritten == (
        f"{folder / '1.data'}: has changed since the mini-batches were planned:"
        " it has the same size but another modification time"
    )


def test_a_file_in_a_list_of_files_that_is_rewritten_after_planning(tmp_path: Path) -> None:
    for name in ("0", "1"):
        (tmp_path / name).write_bytes(b"before")
    made = plan(str(tmp_path), type="uri_folder", mode="ro_mount", split=BySize(1))
    first, second = made.mini_batches
    reader = open_reader(made.reader)
    rewrite(tmp_path / "1", b"after.")
    assert reader.read(first) == [str(tmp_path / "0")]
    with pytest.raises(UnreadableMiniBatch, match=r"1: has .* another modification time"):
        reader.read(second)


def test_a_modification_time_that_differs_by_a_fraction_of_a_second(tmp_path: Path) -> None:
    (tmp_path / "0").write_bytes(b"x")
    os.utime(tmp_path / "0", ns=(123_456_789_012, 123_456_789_012))
    made = plan(str(tmp_path), type="uri_folder", mode="ro_mount", split=BySize(1))
    [only] = made.mini_batches
    os.utime(tmp_path / "0", ns=(123_000_000_000, 123_000_000_000))
    assert open_reader(made.reader).read(only) == [str(tmp_path / "0")]


def rewrite(path: Path, content: bytes) -> None:
    """Write a file a second later; the clock of file systems may tick a hundred times a second."""
    later = path.stat().st_mtime_ns + 10**9
    path.write_bytes(content)
    os.utime(path, ns=(later, later))


def test_a_file_that_vanishes_after_planning(make_table: MakeTable) -> None:
    folder = make_table([GOOD, GOOD], "read_delimited")
    _, gone = outcomes(folder, (folder / "1.data").unlink)
    assert gone == f"{folder / '1.data'}: cannot be opened: No such file or directory"


def test_a_lone_cr_does_not_end_a_line(make_table: MakeTable) -> None:
    (frame,) = outcomes(make_table([b"a,b\n1,x\ry\n2,z\r\n"], "read_delimited"))
    assert isinstance(frame, pd.DataFrame)
    assert frame["b"].tolist() == ["x\ry", "z"]


def test_nul_bytes_are_text(make_table: MakeTable) -> None:
    (frame,) = outcomes(make_table([b"a,b\n\0,x\0y\n"], "read_delimited"))
    assert isinstance(frame, pd.DataFrame)
    assert frame.values.tolist() == [["\0", "x\0y"]]


def test_hexadecimal_is_never_a_number(make_table: MakeTable) -> None:
    rows = b"".join(b"%d\n" % number for number in range(300))
    table = load_table(str(make_table([b"n\n" + rows + b"0x1F\n"], "read_delimited")))
    frame = table.to_pandas()
    assert frame["n"].isna().tolist() == [False] * 300 + [True]
    assert table.values_set_to_null == {"n": 1}


def test_a_row_wider_than_those_of_the_preview_keeps_its_cells(make_table: MakeTable) -> None:
    rows = b"7,some text of a row\n" * 100_000
    folder = make_table([b"a,b\n" + rows + b"2,y,extra\n"], "read_delimited")
    *others, last = outcomes(folder)
    assert len(others) > 1
    assert isinstance(last, pd.DataFrame)
    assert last.iloc[-1].tolist() == [2, "y", "extra"]
    assert list(last.columns) == ["a", "b", "Column3"]


def test_a_line_without_end_is_an_error_in_flat_memory(
    make_table: MakeTable,
) -> None:
    folder = make_table([GOOD], "read_delimited")
    with (folder / "0.data").open("ab") as file:
        file.truncate(200 * 1024 * 1024)
    first, *others = outcomes(folder)
    assert isinstance(first, str)
    assert "is this a text file?" in first
    assert all(isinstance(other, pd.DataFrame) and other.empty for other in others)


MULTI_LINE = {"read_delimited": {"support_multi_line": True}}


@pytest.mark.parametrize("encoding", ["utf8", "utf16"])
def test_an_unclosed_quote_fails_its_mini_batch_and_is_located(
    make_table: MakeTable, encoding: str
) -> None:
    good = 'a,b\n1,"x\n1"\n'
    files = [good.encode(encoding), (good + '2,"y\n3,z\n4,z\n').encode(encoding)]
    folder = make_table(
        files, {"read_delimited": {"support_multi_line": True, "encoding": encoding}}
    )
    first, second, third = outcomes(folder)
    assert isinstance(first, pd.DataFrame)
    assert isinstance(second, pd.DataFrame)
    assert second["b"].tolist() == ["x\n1"]
    assert third == f"{folder / '1.data'}, line 4: a quote is never closed"


@pytest.mark.parametrize("step", [{"skip": 1}, {"filter": "a == 1"}])
def test_an_unclosed_quote_in_the_only_file(make_table: MakeTable, step: dict[str, object]) -> None:
    folder = make_table([b'a,b\n"1,x\n2,y\n'], MULTI_LINE, step)
    with pytest.raises(InvalidInput, match=r"0\.data, line 2: a quote is never closed"):
        outcomes(folder)


@pytest.mark.parametrize("header", ["all_files_same_headers", "all_files_different_headers"])
def test_an_unclosed_quote_in_a_header(make_table: MakeTable, header: str) -> None:
    read = {"read_delimited": {"support_multi_line": True, "header": header}}
    _, second = outcomes(make_table([GOOD, b'\n"a,b\n1,x\n'], read))
    assert isinstance(second, str)
    assert second.endswith("1.data, line 2: a quote is never closed")


def test_a_large_file_with_an_unclosed_quote_is_planned_in_flat_memory(
    make_table: MakeTable,
) -> None:
    folder = make_table([GOOD], MULTI_LINE)
    with (folder / "0.data").open("ab") as file:
        file.write(b'3,"z\n')
        for _ in range(150):
            file.write(b"4,some text of a row\n" * 50_000)
    started = time.process_time()
    tracemalloc.start()
    good, bad = outcomes(folder)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(good, pd.DataFrame)
    assert good["b"].tolist() == ["x", "y"]
    assert isinstance(bad, str)
    assert bad.endswith("0.data, line 4: a quote is never closed")
    assert peak < 3 * 64 * 1024 * 1024
    assert time.process_time() - started < 60


@pytest.mark.parametrize("content", [b"", b"a,b\n", b"\n\n", b"\r\n"])
def test_an_input_without_a_row_is_empty(make_table: MakeTable, content: bytes) -> None:
    with pytest.raises(EmptyInput, match="the input is empty"):
        outcomes(make_table([content, content], "read_delimited"))


@pytest.mark.parametrize(
    ("codec", "encoding", "message"),
    [
        ("utf-16-be", "utf16", "big-endian UTF-16"),
        ("utf-32-be", "utf32", "big-endian UTF-32"),
        ("utf-32-le", "utf16", "is UTF-32, not UTF-16"),
    ],
)
def test_another_encoding_of_wide_characters(
    make_table: MakeTable, codec: str, encoding: str, message: str
) -> None:
    content = "\ufeffa,b\n1,x\n".encode(codec)
    with pytest.raises(InvalidInput, match=message):
        outcomes(make_table([content], {"read_delimited": {"encoding": encoding}}))


def test_a_column_in_both_the_path_and_the_data(make_table: MakeTable) -> None:
    folder = make_table(
        {"a/x.csv": GOOD},
        {"extract_columns_from_partition_format": {"partition_format": "/{b}/x.csv"}},
        "read_delimited",
    )
    with pytest.raises(InvalidInput, match="'b' is both in the data and in the path"):
        outcomes(folder)


MISTAKES = [
    ("paths: []\npath: []\n", "2:1: path: unknown key", "did you mean paths?"),
    ("paths: [{file: a}]\ntransformations:\n", "2:17: transformations: found nothing", ""),
    ("paths: [{file: a}]\npaths: []\n", "2:1: paths: duplicate key, first defined on line 1", ""),
    ("paths: [{file: a*.csv}]\n", "1:16: paths.0.file: 'a*.csv' contains wildcards", "pattern"),
    ("paths: [{pattern: a**/b}]\n", "** must be a whole path segment", ""),
    ("paths: [{file: a, folder: b}]\n", "1:9: paths.0: expected one key, found 2", ""),
    ("paths: [{pattern: './[z-a].csv'}]\n", "paths.0.pattern: invalid pattern '[z-a].csv'", ""),
    (
        "paths: []\ntransformations:\n- keep_columns: {pattern: '('}\n",
        "keep_columns.pattern: found '('",
        "a regular expression",
    ),
    (
        "paths: []\ntransformations:\n- keep_columns: {pattern: 'a{99999999999}'}\n",
        "keep_columns.pattern: found 'a{99999999999}'",
        "a regular expression",
    ),
    ("paths: [a.csv]\n", "1:9: paths.0: found 'a.csv'", ""),
    (
        "paths: [{file: a}]\ntransformations:\n- read_delimitd\n",
        "3:3: transformations.0.read_delimitd: unknown key",
        "did you mean read_delimited?",
    ),
    (
        "paths: [{file: a}]\ntransformations:\n- read_delimited: {delimeter: ','}\n",
        "3:20: transformations.0.read_delimited.delimeter: unknown key",
        "did you mean delimiter?",
    ),
    (
        "paths: [{file: a}]\ntransformations:\n- read_delimited: {delimiter: abc}\n",
        "3:31: transformations.0.read_delimited.delimiter: found 'abc'",
        "one or two characters",
    ),
    (
        "paths: [{file: a}]\ntransformations:\n- read_delimited: {empty_as_string: 'yes'}\n",
        "found 'yes'",
        "true or false",
    ),
    (
        "paths: [{file: a}]\ntransformations:\n- take: -1\n",
        "take: found the number -1",
        "at least 0",
    ),
    (
        "paths: [{file: a}]\ntransformations:\n- take_random_sample: {probability: 1, seed: 3}\n",
        "probability: found the number 1",
        "decimal point",
    ),
    (
        "paths: [{file: a}]\ntransformations:\n- read_parquet\n- read_json_lines\n",
        "4:3: transformations.1: only one read_* transformation is allowed",
        "",
    ),
    (
        "paths: [{file: a}]\ntransformations:\n- {take: 1, skip: 2}\n",
        "3:3: transformations.0: found a mapping",
        "a mapping with one transformation",
    ),
    ("paths: [{file: a}]\ntransformations:\n- take: yes\n", "the boolean true", "at least 0"),
    ("paths: [{file: 2024-01-02}]\n", "paths.0.file: found the date 2024-01-02", "text"),
    ("paths: [{file: a}]\ntransformations:\n- filter\n", "options are missing", ""),
    ("? [1]\n: 2\npaths: []\n", "the key is a list, not text", ""),
    ("paths: &a [*a, *a]\n", "undefined alias *a", ""),
    (
        "paths: a.csv\n",
        "1:8: paths: found",
        "a list, each item a mapping with one of file, folder, pattern",
    ),
    ("paths: []\ntransformations: [[a]]\n", "transformations.0: found", "one transformation"),
    ("", "is empty", ""),
]


@pytest.mark.parametrize(("text", "where", "hint"), MISTAKES)
def test_an_error_in_the_mltable_file_is_located(
    tmp_path: Path, text: str, where: str, hint: str
) -> None:
    (tmp_path / "MLTable").write_text(text)
    with pytest.raises(InvalidMLTable) as refused:
        plan(str(tmp_path), type="mltable", mode=None, split=BySize())
    assert str(refused.value).startswith(str(tmp_path / "MLTable"))
    assert where in str(refused.value)
    assert hint in str(refused.value)


def test_exploding_aliases_are_refused_quickly(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    (tmp_path / "MLTable").write_text("\n".join([*lines, "paths: []"]))
    with pytest.raises(InvalidMLTable, match="aliases expand to more than"):
        plan(str(tmp_path), type="mltable", mode=None, split=BySize())


def test_all_errors_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "MLTable").write_text(
        "path: []\ntransformations:\n- tak: 1\n- skip: x\n- read_delimited: {header: first}\n"
    )
    with pytest.raises(InvalidMLTable) as refused:
        plan(str(tmp_path), type="mltable", mode=None, split=BySize())
    assert sorted(problem.line or 0 for problem in refused.value.problems) == [1, 1, 3, 4, 5]


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ({"filter": "a in (1, 2)"}, "unsupported expression 'a in (1, 2)'"),
        ({"filter": "__import__('os').system('x')"}, "the unsupported expression"),
        ({"filter": "a == 'x"}, "invalid filter"),
        (
            {
                "convert_column_types": [
                    {"columns": "a", "column_type": {"boolean": {"true_values": ["x"]}}}
                ]
            },
            "true_values and false_values must be given together",
        ),
        (
            {
                "convert_column_types": [
                    {"columns": "a", "column_type": {"datetime": {"formats": ["%H:%M"]}}}
                ]
            },
            "has no year",
        ),
        *(
            ({"convert_column_types": [{"columns": "a", "column_type": column_type}]}, why)
            for column_type, why in [
                ({"boolean": {"true_values": ["x"], "false_values": ["x"]}}, "both a true and a"),
                ({"datetime": {"formats": []}}, "formats is empty"),
                ({"datetime": {"formats": ["%Y"]}, "boolean": {}}, "choose one"),
                ({"datetime": {"formats": ["%Y %Q"]}}, "unknown directive '%Q'"),
                ({"datetime": {"formats": ["%Y %I"]}}, "%I without %p"),
            ]
        ),
        *(
            ({"extract_columns_from_partition_format": {"partition_format": text}}, why)
            for text, why in [
                ("/{a/", "brace"),
                ("/a/", "placeholder"),
                ("/{}/a", "has no name"),
                ("/{a}/{a}", "duplicate placeholder 'a'"),
                ("/{a:yyyy}/{b:yyyy}", "two dates"),
                ("/{a:ddyyyy}", "once each, in the order yyyy MM dd"),
            ]
        ),
    ],
)
def test_an_error_in_a_transformation_is_located(
    make_table: MakeTable, step: object, why: str
) -> None:
    folder = make_table([GOOD], "read_delimited", step)
    with pytest.raises(InvalidMLTable) as refused:
        outcomes(folder)
    assert str(refused.value).startswith(f"{folder / 'MLTable'}:5: ")
    assert why in str(refused.value)


def test_an_mltable_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "MLTable").write_bytes(b"paths: []\n# \xff\n")
    with pytest.raises(InvalidMLTable, match=r"MLTable:.* UTF-8"):
        load_table(str(tmp_path))


def test_a_table_that_cannot_be_grouped(make_table: MakeTable) -> None:
    table = load_table(str(make_table([b'{"n": 1}\n{"n"\n'], "read_json_lines")))
    with pytest.raises(InvalidInput, match=r"grouped by n: .*0\.data: line 2 "):
        list(table.mini_batches(partition_keys=["n"]))


def test_a_partition_format_that_matches_no_path(make_table: MakeTable) -> None:
    extract = {"extract_columns_from_partition_format": {"partition_format": "/{p}/gone"}}
    with pytest.raises(InvalidMLTable, match=r"matches no path, e\.g\. .*0\.data"):
        load_table(str(make_table([GOOD], extract, "read_delimited"))).to_pandas()


@pytest.mark.parametrize("read", ["read_delimited", "read_json_lines", "read_parquet"])
def test_a_dangling_link_fails_only_its_own_mini_batch(tmp_path: Path, read: str) -> None:
    good = {"read_delimited": GOOD, "read_json_lines": b'{"b": "x"}\n{"b": "y"}\n'}.get(read)
    if good is None:
        pd.DataFrame({"b": ["x", "y"]}).to_parquet(tmp_path / "a.data")
    else:
        (tmp_path / "a.data").write_bytes(good)
    (tmp_path / "b.data").symlink_to("nowhere")
    (tmp_path / "MLTable").write_text(
        f"paths: [{{pattern: ./*.data}}]\ntransformations: [{read}]\n"
    )
    first, second = outcomes(tmp_path)
    assert isinstance(first, pd.DataFrame)
    assert first["b"].tolist() == ["x", "y"]
    assert isinstance(second, str)
    assert second.startswith(f"{tmp_path / 'b.data'}: ")
    assert "No such file or directory" in second


def test_inputs_of_the_wrong_type(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(GOOD)

    def planned(name: str, type_: str) -> None:
        plan(str(tmp_path / name), type=type_, mode=None, split=BySize())

    with pytest.raises(InvalidInput, match="set its type to uri_folder"):
        planned("", "uri_file")
    with pytest.raises(InvalidInput, match="set its type to uri_file"):
        planned("a.csv", "uri_folder")
    with pytest.raises(InvalidInput, match="cannot read its MLTable file"):
        planned("", "mltable")
    with pytest.raises(InvalidInput, match="no such file or folder"):
        planned("gone", "uri_folder")
    with pytest.raises(InvalidInput, match="cannot be opened: Protocol not known"):
        plan("nowhere://x", type="uri_folder", mode=None, split=BySize())


ROWS = b"1,2\n" * 300_000


@pytest.mark.parametrize(
    ("content", "options", "uneven", "first"),
    [
        (b"a,b\n1,2\n3\n4,5,6\n", {}, 2, "line 3"),
        (b"\na,b\n\n1,2,\n\n3,4,\n", {}, 2, "line 4"),
        (b"a,b\n1\n2\n", {}, 2, "line 2"),
        (b'a,b\n"x\ny",2\n3\n', {"support_multi_line": True}, 1, "line 4"),
        (b'"a\nb",c\n1,2,3\n', {"support_multi_line": True}, 1, "line 3"),
        (b"1,2\n3,4\n5\n", {"header": "no_header"}, 1, "line 3"),
        (b"a,b\n1,2,3\n", {"header": "all_files_different_headers"}, 1, "line 2"),
        (b"a,b\n1,2\n3,4\n", {}, 0, ""),
        (b"a,b\n" + ROWS + b"3\n", {}, 1, "line 37857 after byte 1048580"),
        (b"a,b\n" + ROWS * 2 + b"3\n", {}, 1, "line "),
    ],
)
def test_rows_with_fewer_or_more_cells_than_the_header_are_counted(
    make_table: MakeTable, content: bytes, options: dict[str, object], uneven: int, first: str
) -> None:
    folder = make_table([content], {"read_delimited": options})
    table = load_table(str(folder))
    table.to_pandas()
    assert table.uneven_rows == uneven
    assert table.first_uneven_row.startswith(f"{folder / '0.data'}, {first}" if uneven else "")
    made = plan(str(folder), type="mltable", mode=None, split=BySize(1 << 19))
    reader = open_reader(made.reader)
    found = []
    for mini_batch in made.mini_batches:
        reader.read(mini_batch)
        found.append((reader.uneven_rows, reader.first_uneven_row))
    assert sum(count for count, _ in found) == uneven
    if len(content) < 1 << 20:
        assert [place for _, place in found if place] == [f"{folder / '0.data'}, {first}"][:uneven]
