"""Lists of files: folders, single files, MLTables without a read step."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from prefect_parallel.data import BySize, load_files, load_table, open_reader, plan
from prefect_parallel.data.locations.folder_entries import sorted_entries
from prefect_parallel.errors import EmptyInput, InvalidInput, InvalidMLTable, UnreadableMiniBatch
from tests.data.conftest import MakeTable
from tests.data.test_by_key import parquet


def names(folder: Path, paths: list[str]) -> list[str]:
    return [os.path.relpath(path, folder) for path in paths]


def write(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)


def test_the_order_of_a_folder_is_the_same_everywhere(tmp_path: Path) -> None:
    write(tmp_path, "b/x", "b.txt", "a10", "a2", "B", "b/sub/y", "two words", "line\nbreak", "é")
    write(tmp_path, ".hidden", ".git/config", "b/.DS_Store", "MLTable.txt")
    files = load_files(str(tmp_path))
    assert names(tmp_path, files.paths()) == [
        *("B", "MLTable.txt", "a10", "a2", "b/sub/y", "b/x", "b.txt", "line\nbreak"),
        *("two words", "é"),
    ]
    batches = [batch for _, batch in files.mini_batches(mini_batch_size=4)]
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert [path for batch in batches for path in batch] == files.paths()
    assert all(Path(path).is_absolute() for path in files.paths())


def test_a_folder_too_large_to_sort_in_memory(tmp_path: Path) -> None:
    names_ = [f"{number * 7919 % 1000:03}\n" for number in range(200)]
    write(tmp_path, *names_)
    (tmp_path / "folder").mkdir()
    wanted = [(name.encode(), False) for name in sorted(names_)]
    assert list(sorted_entries(str(tmp_path), at_a_time=7)) == [*wanted, (b"folder", True)]


def test_ten_files_are_a_mini_batch_by_default(tmp_path: Path) -> None:
    write(tmp_path, *(f"{number:02}" for number in range(25)))
    made = plan(str(tmp_path), type="uri_folder", mode="ro_mount", split=BySize())
    mini_batches = list(made.mini_batches)
    assert [len(mini_batch.pieces) for mini_batch in mini_batches] == [10, 10, 5]
    assert mini_batches[0].describe() == "10 files, first 00"


def test_a_single_file(tmp_path: Path) -> None:
    write(tmp_path, "x.png")
    made = plan(f"file://{tmp_path}/x.png", type="uri_file", mode="download", split=BySize())
    (mini_batch,) = made.mini_batches
    assert open_reader(made.reader).read(mini_batch) == [str(tmp_path / "x.png")]
    assert mini_batch.describe() == "x.png"


def test_an_empty_folder_is_an_empty_input(tmp_path: Path) -> None:
    write(tmp_path, ".hidden")
    with pytest.raises(EmptyInput, match="the input is empty"):
        plan(str(tmp_path), type="uri_folder", mode=None, split=BySize())


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    write(tmp_path, "data/a", "elsewhere/b")
    (tmp_path / "data" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "self").symlink_to(tmp_path / "data" / "self")
    (tmp_path / "data" / "dangling").symlink_to(tmp_path / "gone")
    data = tmp_path / "data"
    made = plan(str(data), type="uri_folder", mode=None, split=BySize(1))
    reader = open_reader(made.reader)
    read: list[str] = []
    failed: list[str] = []
    for mini_batch in made.mini_batches:
        try:
            read += reader.read(mini_batch)
        except UnreadableMiniBatch as error:
            failed.append(str(error))
    assert names(data, read) == ["a", "link/b"]
    assert failed == [
        f"{data}/dangling: cannot be opened: No such file or directory",
        f"{data}/self: cannot be opened: Too many levels of symbolic links",
    ]


def test_a_file_that_vanishes_after_planning(tmp_path: Path) -> None:
    write(tmp_path, "a", "b")
    made = plan(str(tmp_path), type="uri_folder", mode=None, split=BySize(1))
    first, second = made.mini_batches
    (tmp_path / "b").unlink()
    reader = open_reader(made.reader)
    assert reader.read(first) == [str(tmp_path / "a")]
    with pytest.raises(UnreadableMiniBatch, match="b: cannot be opened"):
        reader.read(second)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.csv", [".h.csv", "a.csv", "b.csv"]),
        ("./[ab].csv", ["a.csv", "b.csv"]),
        ("[!a].csv", ["b.csv"]),
        ("**/*.csv", [".h.csv", "a.csv", "b.csv", "s/a.csv", "s/t/c.csv"]),
        ("s/**/c.csv", ["s/t/c.csv"]),
        ("**/t/*", ["s/t/c.csv"]),
        ("s/../s/*.csv", ["s/a.csv"]),
        ("?/a.csv", ["s/a.csv"]),
        ("**/**/a.csv", ["a.csv", "s/a.csv"]),
        ("a.csv", ["a.csv"]),
        ("*", [".h.csv", "MLTable", "a.csv", "b.csv", "x{1}"]),
        ("x{1}", ["x{1}"]),
    ],
)
def test_patterns(tmp_path: Path, pattern: str, found: list[str]) -> None:
    write(tmp_path, "a.csv", "b.csv", ".h.csv", "s/a.csv", "s/t/c.csv", "x{1}")
    (tmp_path / "MLTable").write_text(f"paths: [{{pattern: '{pattern}'}}]")
    assert names(tmp_path, load_files(str(tmp_path)).paths()) == found


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("pattern: '*.txt'", "matches no file"),
        ("pattern: 'gone/*'", "matches no file"),
        ("pattern: 's/**'", "matches no file"),
        ("file: s", "is a folder"),
        ("folder: a.csv", "is a file, not a folder"),
        ("folder: gone", "does not exist, not a folder"),
    ],
)
def test_entries_that_match_nothing(tmp_path: Path, entry: str, why: str) -> None:
    write(tmp_path, "a.csv", "s/b.csv")
    (tmp_path / "MLTable").write_text(f"paths:\n- file: a.csv\n- {entry}\n")
    with pytest.raises(InvalidMLTable, match=why) as refused:
        load_files(str(tmp_path)).paths()
    assert str(refused.value).startswith(f"{tmp_path}/MLTable:3: ")


def test_transformations_of_a_list_of_files(make_table: MakeTable) -> None:
    files = {f"years/{year}/{name}": b"" for year in (2023, 2024) for name in "abc"}
    folder = make_table(
        files,
        {"extract_columns_from_partition_format": {"partition_format": "/years/{year}/{name}"}},
        {"filter": 'year == "2024"'},
        {"skip": 1},
    )
    found = load_files(str(folder))
    assert names(folder, found.paths()) == ["years/2024/b", "years/2024/c"]
    assert found.to_pandas()["name"].tolist() == ["b", "c"]


def test_what_yaml_1_1_reads_in_an_mltable(tmp_path: Path) -> None:
    (tmp_path / "MLTable").write_text("""\
paths:
- &first {file: a}
- *first
- {file: b}
- {<<: *first}
transformations:
- take: 0b1_1
metadata: {1: 2024-01-02}
""")
    for name in "ab":
        (tmp_path / name).write_text("")
    assert names(tmp_path, load_files(str(tmp_path)).paths()) == ["a", "a", "b"]


def test_no_paths_are_an_empty_list(make_table: MakeTable) -> None:
    files = load_files(str(make_table({})))
    assert files.to_pandas().empty
    assert list(files.mini_batches()) == []


def test_a_table_is_not_a_list_of_files(make_table: MakeTable) -> None:
    with pytest.raises(InvalidInput, match="load_table"):
        load_files(str(make_table([b"a\n"], "read_delimited")))
    with pytest.raises(InvalidInput, match="is a list of files"):
        load_table(str(make_table([b"a\n"])))


def test_a_file_and_a_folder_are_lists_of_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).touch()
    for path, found in {"a": ["a"], "": ["a", "b"]}.items():
        files = load_files(str(tmp_path / path))
        assert names(tmp_path, files.paths()) == found
        assert names(tmp_path, files.to_pandas()["Path"].tolist()) == found


def test_a_pattern_from_the_root(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    first, second, *rest = str(tmp_path)
    pattern = f"{first}[{second}]{''.join(rest)}/?"
    (tmp_path / "MLTable").write_text(f"paths: [{{pattern: '{pattern}'}}]\n")
    assert names(tmp_path, load_files(str(tmp_path)).paths()) == ["a"]


def test_duplicate_columns_from_paths(make_table: MakeTable) -> None:
    extract = {"extract_columns_from_partition_format": {"partition_format": "/{a}/"}}
    folder = make_table({"x/a": b""}, extract, extract)
    with pytest.raises(InvalidInput, match="MLTable: 'a' is both a column and a placeholder"):
        load_files(str(folder)).paths()


@pytest.mark.parametrize(
    ("read", "content"),
    [
        ("read_delimited", b"a\n1\n2\n"),
        ("read_json_lines", b'{"a": 1}\n{"a": 2}\n'),
        ("read_parquet", parquet({"a": [1, 2]})),
    ],
)
@pytest.mark.parametrize("name", [b"\xff.data", b"back\\slash.data", "é.data".encode()])
def test_names_that_are_not_utf8_and_backslashes(
    tmp_path: Path, read: str, content: bytes, name: bytes
) -> None:
    file = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118
    Path(os.fsdecode(file)).write_bytes(content)
    shown = str(tmp_path / name.decode(errors="backslashreplace"))
    extract = "{extract_columns_from_partition_format: {partition_format: '/{name}.data'}}"
    for step in ("", ", {take: 2}", f", {extract}"):
        (tmp_path / "MLTable").write_text(
            "paths: [{pattern: '*.data'}]\ntransformations:"
            f" [{{{read}: {{include_path_column: true}}}}{step}]\n"
        )
        frame = load_table(str(tmp_path)).to_pandas()
        assert frame["a"].tolist() == [1, 2]
        assert set(frame["Path"]) == {shown}
    (tmp_path / "MLTable").write_text(
        "paths: [{pattern: '*.data'}]\ntransformations: [{take: 2}]\n"
    )
    files = load_files(str(tmp_path))
    assert [os.fsencode(path) for path in files.paths()] == [file]
    assert files.to_pandas()["Path"].tolist() == [shown]


@pytest.mark.parametrize(
    ("type_", "size", "note"),
    [
        ("mltable", "1000", 'means 1,000 bytes, .* "1000 rows", for kilobytes "1000kb"'),
        ("mltable", 1000, "mini_batch_size 1000 means 1,000 bytes"),
        ("mltable", "20000", None),
        ("mltable", "1kb", None),
        ("mltable", "1000 rows", None),
        ("mltable", None, None),
        ("uri_file", "1", None),
        ("uri_folder", "10kb", "means 10,240 files, .* without kb"),
        ("uri_folder", "10", None),
    ],
)
def test_a_size_whose_unit_does_not_suit_the_input_is_noted(
    make_table: MakeTable, type_: str, size: str | int | None, note: str | None
) -> None:
    folder = make_table([b"a\n1\n"], "read_delimited")
    path = folder / "0.data" if type_ == "uri_file" else folder
    notes = plan(str(path), type=type_, mode=None, split=BySize.parse(size)).notes
    assert len(notes) == (note is not None)
    assert all(re.search(note or "", each) for each in notes)


@pytest.mark.parametrize(
    ("type_", "name", "size", "error"),
    [
        ("uri_file", "a.tsv", "10mb", "is one mini-batch.*\n.*direct.*input_format: tsv"),
        ("uri_file", "a.bin", "1kb", "is one mini-batch.*\n.*input_format: csv"),
        ("uri_file", "a.csv", "1000 rows", "a number of rows, but the uri_file is one mini-batch"),
        ("uri_folder", "a.csv", "1000 rows", "1000 rows: the input is a list of files"),
    ],
)
def test_a_size_that_a_list_of_files_cannot_have_is_an_error(
    tmp_path: Path, type_: str, name: str, size: str, error: str
) -> None:
    (tmp_path / name).write_text("a\n1\n")
    path = tmp_path / name if type_ == "uri_file" else tmp_path
    with pytest.raises(InvalidInput, match=error):
        plan(str(path), type=type_, mode=None, split=BySize.parse(size))
