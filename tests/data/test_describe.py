"""Data as people have it: paths, globs, frames and items."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import deltalake
import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefect_parallel.data import (
    ByKeys,
    BySize,
    InputDescription,
    describe_data,
    open_reader,
    plan,
)
from prefect_parallel.errors import EmptyInput, InvalidInput, UnreadableMiniBatch

FRAME = pd.DataFrame({"n": range(5), "t": ["a", "b,", 'c"\nd', None, "é"]})


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that does not exist yet, beside the data in the working directory."""
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.chdir(data)
    return tmp_path / "run" / "spool"


def batches(described: InputDescription, count: int | str | ByKeys | None = None) -> list[Any]:
    """What `run` gets: for a number of rows, files or items, for a size, or by keys."""
    size = described.mini_batch_size(count) if isinstance(count, int) else count
    planned = plan(
        described.path,
        type=described.type,
        mode=described.mode,
        split=size if isinstance(size, ByKeys) else BySize.parse(size),
        input_format=described.input_format,
    )
    assert planned.kind == described.kind
    reader = open_reader(planned.reader)
    return [reader.read(each) for each in planned.mini_batches]


def _write(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        match Path(name).suffix.lower():
            case ".csv":
                FRAME.to_csv(name, index=False)
            case ".tsv":
                FRAME.to_csv(name, index=False, sep="\t")
            case ".parquet":
                FRAME.to_parquet(name)
            case ".jsonl" | ".ndjson":
                FRAME.to_json(name, orient="records", lines=True)
            case _:
                Path(name).write_text("{}")


@pytest.mark.parametrize("kind", [".csv", ".CSV", ".tsv", ".parquet", ".jsonl", ".ndjson"])
def test_files_with_the_name_of_a_table_are_tables(spool: Path, kind: str) -> None:
    names = [f"in/a{kind}", f"in/b/c{kind}", f"in/b/what [1]{kind}"]
    _write(*names, f"in/.hidden{kind}", f"in/.cache/a{kind}", "in/_SUCCESS", "in/_delta.crc")
    for data, files in {
        names[0]: 1,
        "in": 3,
        f"in/**/*{kind}": 3,
        f"in/*{kind}": 1,
        tuple(names): 3,
        (Path("in/b"), f"in/a{kind}"): 3,
        Path(names[2]): 1,
    }.items():
        given = list(data) if isinstance(data, tuple) else data
        described = describe_data(given, spool)
        frames = batches(described, 3)
        assert [len(frame) for frame in frames] == [3, 2] * files
        joined = pd.concat(frames, ignore_index=True)
        assert joined["n"].tolist() == FRAME["n"].tolist() * files
        assert joined["t"].fillna("").tolist() == FRAME["t"].fillna("").tolist() * files
    assert len(batches(describe_data(f"in/.*{kind}", spool))) == 1


def test_columns_are_matched_by_name(spool: Path) -> None:
    Path("a.csv").write_text("x,y\n1,2\n")
    Path("b.csv").write_text("y,x\n20,10\n")
    one, two = batches(describe_data("*.csv", spool))
    assert one["x"].tolist() + two["x"].tolist() == [1, 10]


def test_no_value_is_lost_after_the_rows_that_types_follow_from(spool: Path) -> None:
    early = [f"{row % 2},{'YN'[row % 2]},{row},2024-01-05,true" for row in range(100_000)]
    late = ["7,?,0.5,soon,maybe", f"{2**53 + 1},Y,3,2024-01-06,false"]
    Path("in.csv").write_text("\n".join(["n,yes,price,day,word", *early, *late]))
    for data in ("in.csv", "i*.csv"):
        first, *_, last = batches(describe_data(data, spool), 50_000)
        assert first.head(2).to_numpy().tolist() == [
            [row, "YN"[row], row, pd.Timestamp("2024-01-05"), True] for row in range(2)
        ]
        assert last.to_numpy().tolist() == [
            [7, "?", 0.5, "soon", "maybe"],
            [2**53 + 1, "Y", 3, "2024-01-06", "false"],
        ]


def test_a_delta_table_is_its_current_rows(spool: Path) -> None:
    for number in (1, 2):
        deltalake.write_deltalake("t", pa.table({"n": [number]}), mode="overwrite")
    (frame,) = batches(describe_data("t", spool))
    assert frame["n"].tolist() == [2]
    with pytest.raises(InvalidInput, match="Delta table cannot be part of a list"):
        describe_data(["t", "t/*.parquet"], spool)


def test_other_files_are_paths(spool: Path) -> None:
    _write("in/a.png", "in/b/c.png", "in/b/labels.csv", "in/.hidden.png", "what?.png")
    here = str(Path.cwd())
    for data, names in {
        "in": ["in/a.png", "in/b/c.png", "in/b/labels.csv"],
        "in/**/*.png": ["in/a.png", "in/b/c.png"],
        "in/a.png": ["in/a.png"],
        ("in/b/c.png", "what?.png", "in/a.p[mn]g"): ["in/b/c.png", "what?.png", "in/a.png"],
    }.items():
        given = list(data) if isinstance(data, tuple) else data
        (paths,) = batches(describe_data(given, spool), 10)
        assert paths == [os.path.join(here, name) for name in names]  # noqa: PTH118
    assert batches(describe_data(Path("in").glob("*/*.png"), spool)) == [[f"{here}/in/b/c.png"]]


def test_names_of_files_in_a_list_may_have_any_characters(spool: Path) -> None:
    names = ["\U0001f600.png", "a\u2028b\x85c\x7f.png", "tab\t\"'\\.png", r"\ud83d\ude00.png"]
    _write(*names)
    for data in (names, "*.png"):
        ((*paths,),) = batches(describe_data(data, spool), 10)
        assert {Path(path).name for path in paths} == set(names)


def test_a_name_of_an_object_may_contain_two_colons(spool: Path) -> None:
    store = fsspec.filesystem("memory")
    store.pipe_file("/colons/10::00.csv", b"n\n1\n")
    url = "memory://colons"
    store.pipe_file("/chained.csv", b"n\n1\n")
    chain = "simplecache::memory://chained.csv"
    for data in (url, f"{url}/10::00.csv", [f"{url}/10::00.csv"], chain):
        (frame,) = batches(describe_data(data, spool))
        assert frame["n"].tolist() == [1]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ("", "the path is empty"),
        ("nothing.csv", "nothing.csv: no such file or folder"),
        ("nothing/*.csv", r"nothing/\*.csv: no file matches"),
        ("*.nothing", "no file matches"),
        (["a.csv", "nothing.csv"], "nothing.csv: no such file or folder"),
        (
            ["a.csv", "nothing"],
            "element 1 of the list, 'nothing', is not an existing path .*\n.*iter",
        ),
        ("in/*.[cp]*", "several formats: .*a.csv.*, .*a.parquet"),
        ("in", "several formats"),
        ("packed.csv.gz", "is compressed"),
        ("a**/b", r"\*\* must be a whole path segment"),
        (b"a.csv", "found a value of type bytes"),
        ({"a": 1}, "found a value of type dict\n.*\n.*list with the one item"),
        (3, "found a value of type int\n.*a path, a glob"),
        (["x", b"y"], "item 1 is, or contains, a value of type bytes\n.*allowed: None, bool"),
        (np.arange(3), "item 0 is, or contains, a value of type int64\n.*\n.*tolist"),
        ([{"a": [{1: 2}]}], "item 0 .* dict with the key 1"),
        ([(1, 2)], "item 0 .* of type tuple"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "DataFrame has two columns named 'a'"),
        (pd.DataFrame({"a": []}), "the DataFrame has no rows"),
        (pd.DataFrame(index=range(3)), "the DataFrame has no columns"),
        (pd.DataFrame([[1, 2]]), "column named 0\n.*\n.*astype"),
        (pd.DataFrame([[1]], columns=[None]), "column named None"),
        ([1, 10**5000], "item 1 cannot be written as JSON: .*4300 digits"),
        (pd.DataFrame({"a": [1, "x"]}), "cannot be written as Parquet"),
        (pa.table([[1], [2]], names=["a", "a"]), "Table has two columns named 'a'"),
    ],
)
def test_data_that_cannot_be_an_input(spool: Path, data: Any, error: str) -> None:
    _write("a.csv", "in/a.csv", "in/a.parquet", "packed.csv.gz")
    with pytest.raises(InvalidInput, match=error):
        describe_data(data, spool)
    assert not spool.exists()


def test_a_frame_keeps_its_dtypes(spool: Path) -> None:
    frame = pd.DataFrame(
        {
            "category": pd.Categorical(["x", "y", None] * 2, categories=["z", "y", "x"]),
            "int": pd.array([2**53 + 1, None, 3] * 2, dtype="Int64"),
            "bool": pd.array([True, None, False] * 2, dtype="boolean"),
            "string": pd.array(["q", None, "r"] * 2, dtype="string"),
            "time": pd.date_range("2020", periods=6, tz="Europe/Berlin"),
            "delta": pd.to_timedelta(range(6), unit="s"),
            "period": pd.period_range("2020-01", periods=6, freq="M"),
            "small": np.arange(6, dtype="uint8"),
            "float": np.array([1, np.nan, 3] * 2, dtype="float32"),
            "object": [None, b"x", b""] * 2,
        },
        index=list("abcdef"),
    )
    frames = batches(describe_data(frame, spool), 1)
    assert all(each.dtypes.equals(frame.dtypes) for each in frames)
    pd.testing.assert_frame_equal(
        pd.concat(frames, ignore_index=True), frame.reset_index(drop=True)
    )
    by_key = frame.assign(arrow=pd.array(range(6), dtype="int64[pyarrow]"), key=list("ababab"))
    for group, found in zip(
        "ab", batches(describe_data(by_key, spool), ByKeys(("key",))), strict=True
    ):
        rows = by_key[by_key["key"] == group].reset_index(drop=True)
        pd.testing.assert_frame_equal(found, rows)
    table = pa.table({"n": pa.array([1, 2], pa.int8())})
    (rows,) = batches(describe_data(table, spool))
    assert rows["n"].dtype == "int8"


def test_numbers_that_are_objects_stay_objects(spool: Path) -> None:
    frame = pd.DataFrame(
        {"id": [2**60 + 1, None], "flag": [True, False], "share": [None, 0.5]}, dtype=object
    )
    for split in (2, 1, ByKeys(("id",))):
        found = pd.concat(batches(describe_data(frame, spool), split), ignore_index=True)
        assert (found.dtypes == "object").all()
        assert found.to_dict("list") == frame.to_dict("list")


def test_integers_beside_nulls_of_an_arrow_table_are_exact(spool: Path) -> None:
    large = 2**60 + 1
    table = pa.table({
        "id": [large, None, 3],
        "all": [large] * 3,
        "unsigned": pa.array([None, 2**64 - 1, None], pa.uint64()),
        "small": pa.array([1, None, None], pa.int8()),
        "list": [[large, None], [], None],
        "struct": [{"a": [large, None]}, None, {"a": None}],
    })  # fmt: skip
    for split in (1, ByKeys(("list",))):
        frames = batches(describe_data(table, spool), split)
        for frame in frames:
            named = {name: str(frame[name].dtype) for name in ("id", "all", "unsigned", "small")}
            assert [*named.values()] == ["Int64", "int64", "UInt64", "Int8"]
        tables = [pa.Table.from_pandas(frame, preserve_index=False) for frame in frames]
        assert [row for each in tables for row in each.to_pylist()] == table.to_pylist()


def test_an_index_without_a_name_is_not_a_column_of_a_parquet_file(spool: Path) -> None:
    frame = pd.DataFrame({"n": ["b", "a"], "__index_level_1__": [3, 4]}).sort_values("n")
    frame.to_parquet("index.parquet")
    frame.set_index("n").to_parquet("named.parquet")
    frame.to_parquet("levels.parquet", index=True)
    for data in ("index.parquet", ["index.parquet"], "*.parquet", "levels.parquet"):
        found = pd.concat(batches(describe_data(data, spool)))
        assert found.columns.tolist() == ["n", "__index_level_1__"]
    (found,) = batches(describe_data("named.parquet", spool))
    assert sorted(found.columns) == ["__index_level_1__", "n"]


def test_integers_of_parquet_files_are_doubles_beside_nulls_but_not_inside_of_lists(
    spool: Path,
) -> None:
    large = 2**60 + 1
    table = pa.table({"id": [large, None], "list": [[large, None], None]})
    pq.write_table(table, "ids.parquet")
    (frame,) = batches(describe_data("ids.parquet", spool))
    assert frame["id"].dtype == "float64"
    assert frame["list"][0].tolist() == [large, None]


ITEMS = [1, 1.0, True, None, "é\n\ud800", "", [1, [None]], {"b": 1, "a": {}}, 2**70]


def test_items_come_back_as_they_were(spool: Path) -> None:
    for data in (ITEMS, tuple(ITEMS), iter(ITEMS), dict.fromkeys("ab").keys()):
        given = list(data) if not isinstance(data, Iterator) else ITEMS
        got = batches(describe_data(data, spool), 2)
        assert [len(each) for each in got] == [2] * (len(given) // 2) + [1] * (len(given) % 2)
        assert repr([item for each in got for item in each]) == repr(given)
    described = describe_data(range(25), spool)
    assert [len(each) for each in batches(described)] == [10, 10, 5]
    assert len(batches(described, "1kb")) == 1


def test_empty_lines_of_items_may_end_with_crlf(spool: Path) -> None:
    Path("items.txt").write_bytes(b"\r\n1\r\n\r\n[2]\r\n\n3")
    described = InputDescription("items", "uri_file", "direct", "items.txt", "items")
    assert batches(described) == [[1, [2], 3]]
    assert batches(described, 1) == [[1], [[2]], [3]]


def test_strings_are_items_unless_all_are_paths(spool: Path) -> None:
    for data in (["cats", "dogs?", "**", "*\0"], iter(["a.csv"]), ["https://example.com/a.png"]):
        described = describe_data(data, spool)
        assert described.kind == "items"


def test_an_iterable_without_items_or_that_raises_leaves_nothing(spool: Path) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise KeyError("own")

    for nothing in ([], iter(()), (), set[int]()):
        with pytest.raises(EmptyInput, match="no items"):
            describe_data(nothing, spool)
    with pytest.raises(KeyError, match="own"):
        describe_data(broken(), spool)
    assert not spool.exists()
    describe_data([1], spool)
    with pytest.raises(KeyError, match="own"):
        describe_data(broken(), spool)
    assert [path.read_text() for path in spool.iterdir()] == ["1\n"]


def test_equal_data_keeps_its_file(spool: Path) -> None:
    """So that a resumed run finds nothing changed."""
    for data, other in [([1, 2], [1, 3]), (FRAME, FRAME[:2]), (["*.txt"], ["b.txt"])]:
        _write("a.txt", "b.txt")
        path = Path(describe_data(data, spool).path)
        files = [path] if path.is_file() else [path / "MLTable"]
        os.utime(files[0], (1, 1))
        describe_data(data, spool)
        assert files[0].stat().st_mtime == 1
        describe_data(other, spool)
        assert files[0].stat().st_mtime > 1


def test_a_parquet_file_where_text_is_expected(spool: Path) -> None:
    _write("a.parquet")
    Path("a.parquet").rename("a.csv")
    for name, kind in (("csv", "table"), ("json_lines", "table"), ("items", "items")):
        described = InputDescription(kind, "uri_file", "direct", "a.csv", name)  # type: ignore[arg-type]
        with pytest.raises(
            (InvalidInput, UnreadableMiniBatch), match="is a Parquet file, not text"
        ):
            batches(described)
    Path("b.csv").write_text("PAR1,b\n1,2\n")
    (frame,) = batches(describe_data("b.csv", spool))
    assert frame["PAR1"].tolist() == [1]
    with pytest.raises(InvalidInput, match=r"b\.csv"):
        batches(InputDescription("table", "uri_file", "direct", "b.csv", "parquet"))


def test_dtypes_are_those_of_the_first_file_that_can_be_read(spool: Path) -> None:
    frame = pd.DataFrame({"n": pd.Series([1, None], dtype="Int64")})
    Path("frames").mkdir()
    Path("frames/a.parquet").write_bytes(b"broken")
    frame.to_parquet("frames/b.parquet")
    planned = plan(
        "frames", type="uri_folder", mode="direct", split=BySize(), input_format="pandas"
    )
    reader = open_reader(planned.reader)
    broken, whole = planned.mini_batches
    pd.testing.assert_frame_equal(reader.read(whole), frame)
    with pytest.raises(UnreadableMiniBatch):
        reader.read(broken)
