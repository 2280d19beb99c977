"""From what `run` returned, mini-batch by mini-batch, to one exact file."""

from __future__ import annotations

import csv
import datetime
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_parallel.atomic_write import atomic_write
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.aggregate import aggregate
from prefect_parallel.output.formats import Parts, format_for
from prefect_parallel.output.formats.parquet import Parquet
from prefect_parallel.output.mixed_returns import MixedReturns
from prefect_parallel.output.part import BrokenPart, Record, read_record, write_part
from prefect_parallel.output.totals import count, records

Returned = pd.DataFrame | list[Any]


def commit(directory: StepDirectory, index: int, returned: Returned, name: str) -> None:
    format_ = format_for(name)
    if isinstance(returned, pd.DataFrame):
        kind, columns = "DataFrame", tuple(returned.columns)
        encoded = format_.encode_frame(returned)
    else:
        kind, columns = "list", None
        encoded = format_.encode_elements(returned)
    count = len(returned)
    record = Record(
        *(index, 1, count, count),
        kind=kind,
        columns=columns,
        schema=encoded.schema,
        written_as_null=dict(encoded.set_to_null),
    )
    write_part(directory.part(index), record, encoded.payload)


def join(parts: Parts, target: Path, name: str, *, header: bool = False) -> None:
    """Count the parts and join them, as a step does."""
    returns = count(records(parts.directory, parts.mini_batches)).returns
    aggregate(parts, returns, target, format_for(name), header=header)


def joined(folder: Path, name: str, values: Sequence[Returned], *, header: bool = False) -> Path:
    directory = StepDirectory(folder / "step")
    directory.parts.mkdir(parents=True, exist_ok=True)
    # Last mini-batch first: the order in which they end must not matter.
    for index, value in reversed(list(enumerate(values))):
        commit(directory, index, value, name)
    target = folder / "outputs" / name
    join(Parts(directory, len(values)), target, name, header=header)
    assert [path.name for path in target.parent.iterdir()] == [name]
    return target


def test_text_has_frames_as_csv_in_order(tmp_path: Path) -> None:
    frames = [
        pd.DataFrame({"a": [1, 2], "b": ['say "hi", you', "two\nlines"]}),
        pd.DataFrame({"a": [3], "b": [None]}),
    ]
    target = joined(tmp_path, "out", frames, header=True)
    assert target.read_bytes() == b'a,b\n1,"say ""hi"", you"\n2,"two\nlines"\n3,\n'
    target = joined(tmp_path, "out", frames)
    rows = list(csv.reader(io.StringIO(target.read_text())))
    assert rows == [["1", 'say "hi", you'], ["2", "two\nlines"], ["3", ""]]


def test_text_quotes_a_carriage_return(tmp_path: Path) -> None:
    frames = [pd.DataFrame({"a": ["x\ry"], "b": [1]}), pd.DataFrame({"b": [2], "a": ["\r"]})]
    target = joined(tmp_path, "out.csv", frames)
    assert target.read_bytes() == b'"x\ry",1\n"\r",2\n'


def test_text_has_elements_one_a_line(tmp_path: Path) -> None:
    target = joined(tmp_path, "out.txt", [["a.png: 7", "ü\nx"], [], [3, None]], header=True)
    assert target.read_text() == "a.png: 7\nü\\nx\n3\nNone\n"


def test_json_lines(tmp_path: Path) -> None:
    elements = [{"a": float("1.5"), "b": pd.Timestamp("2024-05-06")}, "text\nmore", [1]]
    target = joined(tmp_path, "out.jsonl", [elements, []])
    assert [json.loads(line) for line in target.read_text().splitlines()] == [
        {"a": 1.5, "b": "2024-05-06T00:00:00"},
        "text\nmore",
        [1],
    ]


def test_json_lines_of_frames(tmp_path: Path) -> None:
    frames = [pd.DataFrame({"a": [1, 2], "ü": ["x", None]}), pd.DataFrame({"a": [3], "ü": ["é"]})]
    target = joined(tmp_path, "out.jsonl", frames)
    assert target.read_text() == '{"a":1,"ü":"x"}\n{"a":2,"ü":null}\n{"a":3,"ü":"é"}\n'


def test_parquet_is_one_table_with_types_that_hold_every_part(tmp_path: Path) -> None:
    frames = [pd.DataFrame({"a": [1], "b": [None]}), pd.DataFrame({"a": [2.5], "b": ["x"]})]
    target = joined(tmp_path, "out.parquet", frames)
    assert pq.read_table(target).to_pylist() == [{"a": 1.0, "b": None}, {"a": 2.5, "b": "x"}]
    assert pq.ParquetFile(target).num_row_groups == 1


def test_parquet_has_a_row_group_for_each_so_many_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Parquet, "ROW_GROUP_BYTES", 16)
    frames = [pd.DataFrame({"a": [number]}) for number in range(5)]
    target = joined(tmp_path, "out.parquet", frames)
    assert pq.read_table(target)["a"].to_pylist() == list(range(5))
    assert pq.ParquetFile(target).num_row_groups == 3


def test_parquet_of_many_parts_is_one_row_group_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Parquet, "COMBINED", 2)
    rows = [{"a": number, "b": f"category {number}"} for number in range(5)]
    frames = [pd.DataFrame([row]).astype({"b": "category"}) for row in rows]
    target = joined(tmp_path, "out.parquet", frames)
    assert pq.read_table(target).to_pylist() == rows
    assert pq.ParquetFile(target).num_row_groups == 1


def test_json_lines_of_what_json_has_no_form_for(tmp_path: Path) -> None:
    elements = [np.int64(3), np.array([1.5, 2]), datetime.date(2024, 1, 2), Path("a")]
    target = joined(tmp_path, "out.jsonl", [elements])
    assert target.read_text() == '3\n[1.5,2.0]\n"2024-01-02"\n"a"\n'


def test_parquet_of_lists(tmp_path: Path) -> None:
    target = joined(tmp_path, "out.parquet", [[1, 2], [3]])
    assert pq.read_table(target).to_pydict() == {"value": [1, 2, 3]}
    (tmp_path / "dicts").mkdir()
    target = joined(tmp_path / "dicts", "out.parquet", [[{"k": "a"}], [{"k": "b"}]])
    assert pq.read_table(target).to_pydict() == {"k": ["a", "b"]}


@pytest.mark.parametrize("name", ["out", "out.jsonl", "out.parquet"])
def test_lists_and_frames_do_not_mix(tmp_path: Path, name: str) -> None:
    values = [[1], pd.DataFrame({"a": [1]}), [2]]
    with pytest.raises(MixedReturns) as caught:
        joined(tmp_path, name, values)
    assert "  mini-batches 0, 2: a list\n  mini-batch 1: a DataFrame" in str(caught.value)
    assert not (tmp_path / "outputs").exists()


def test_an_output_that_cannot_be_joined_leaves_the_older_one(tmp_path: Path) -> None:
    target = joined(tmp_path, "out.parquet", [[1], [2]])
    before = target.read_bytes()
    directory = StepDirectory(tmp_path / "step")
    write_part(directory.part(1), Record(1, 1, 1, 1, kind="list"), b"not Parquet")
    with pytest.raises(pa.ArrowInvalid):
        join(Parts(directory, 2), target, target.name)
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert target.read_bytes() == before


def test_a_failed_mini_batch_leaves_no_gap_and_is_counted(tmp_path: Path) -> None:
    directory = StepDirectory(tmp_path / "step")
    directory.parts.mkdir(parents=True)
    commit(directory, 0, ["a", "b"], "out")
    write_part(directory.part(1), Record(1, 3, 2, 0, error="no", started_at=5.0))
    short = Record(2, 3, 2, 1, kind="list", error="short", started_at=4.0)
    write_part(directory.part(2), short, b"c\n")
    # Nobody knows how many items it has: it counts as one.
    write_part(directory.part(3), Record(3, 1, None, 0, error="not loaded", started_at=6.0))
    join(Parts(directory, 4), tmp_path / "out", "out")
    assert (tmp_path / "out").read_text() == "a\nb\nc\n"
    totals = count(records(directory, 4))
    assert (totals.succeeded, totals.failed, totals.retried) == (1, 3, 2)
    assert (totals.items, totals.succeeded_items, totals.failed_items) == (7, 3, 4)
    assert totals.first_failure is not None
    assert totals.first_failure.error == "short"


def test_writers_of_the_same_part_do_not_get_in_each_other_s_way(tmp_path: Path) -> None:
    # Their process ids are equal, as those of two machines may be.
    part = tmp_path / "000000.part"
    with atomic_write(part) as first:
        first.write(b"the first, which is longer")
        with atomic_write(part) as second:
            second.write(b"the second")
        assert part.read_bytes() == b"the second"
    assert part.read_bytes() == b"the first, which is longer"
    assert [*tmp_path.iterdir()] == [part]


def test_a_part_is_replaced_whole_and_a_broken_one_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "000000.part"
    assert read_record(path) is None
    write_part(path, Record(0, 1, 5, 0, error="x"), b"")
    # A file name that is not UTF-8.
    record = Record(0, 2, 5, 5, kind="DataFrame", columns=("a", "b"), inputs="b\udc80.png")
    write_part(path, record, b"1,2\n")
    assert read_record(path) == record
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    path.write_bytes(b"not a record\n")
    with pytest.raises(BrokenPart, match=path.name):
        read_record(path)
    failure = Record(0, 3, 5, 0, error="x")
    write_part(path, failure)
    assert read_record(path) == failure


@pytest.mark.parametrize(("change", "found"), [(-5, 0), (-2, 2), (1, 5)])
def test_a_part_whose_payload_has_another_size_is_not_joined(
    tmp_path: Path, change: int, found: int
) -> None:
    directory = StepDirectory(tmp_path)
    directory.parts.mkdir()
    write_part(directory.part(0), Record(0, 1, 2, 2, kind="list"), b"a\nb\n")
    os.truncate(directory.part(0), directory.part(0).stat().st_size + change)
    with pytest.raises(BrokenPart, match=f"payload has {found} bytes, expected 4"):
        join(Parts(directory, 1), tmp_path / "out", "out")


@pytest.mark.parametrize(
    ("written", "instead", "why"),
    [
        (b'"column"', b"7", "the name of a column is not text"),
        (b"99", b'"many"', "values_set_to_null does not hold counts"),
        (b'"index": 0', b'"index": "a"', "index is not of type int"),
        (b'"succeeded": 5', b'"succeeded": 6', "6 of 5 items succeeded"),
    ],
)
def test_what_is_no_record_is_no_part(
    tmp_path: Path, written: bytes, instead: bytes, why: str
) -> None:
    path = tmp_path / "000000.part"
    record = Record(0, 1, 5, 5, kind="DataFrame", columns=("column",), values_set_to_null={"x": 99})
    write_part(path, record, b"")
    content = path.read_bytes()
    assert content.count(written) == 1
    path.write_bytes(content.replace(written, instead))
    with pytest.raises(BrokenPart, match=why):
        read_record(path)


@given(st.lists(st.lists(st.text(), max_size=4), max_size=6))
def test_every_element_is_one_line_of_text(
    tmp_path_factory: pytest.TempPathFactory, values: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("text")
    text = joined(folder, "out", values).read_bytes().decode()
    lines = text.split("\n")[:-1]
    flat = [element for value in values for element in value]
    assert lines == [each.replace("\n", r"\n").replace("\r", r"\r") for each in flat]
