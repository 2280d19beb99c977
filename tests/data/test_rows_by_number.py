"""`mini_batch_size: "1000 rows"`."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import deltalake
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefect_parallel.data import BySize, load_table, open_reader, plan
from prefect_parallel.errors import InvalidInput
from tests.data.conftest import MakeTable

_CSV = {"read_delimited": {"support_multi_line": True}}
_LINES = {"read_delimited": {"encoding": "utf16", "header": "no_header"}}


def _sizes(folder: Path, size: str) -> list[int]:
    return [len(frame) for _, frame in load_table(str(folder)).mini_batches(size)]


def _expected(files: list[int], count: int) -> list[int]:
    """Each file starts a mini-batch."""
    return [min(count, rows - at) for rows in files for at in range(0, rows, count)]


def _csv(rows: range, chance: random.Random) -> bytes:
    """Rows with quoted line breaks and delimiters, between empty lines."""
    text = "n,t\r\n"
    for row in rows:
        cell = "".join(chance.choices(["a", "\n", "\r\n", '""', ",", "é"], k=chance.randrange(5)))
        text += f'{row},"{cell}"' + chance.choice(["\n", "\r\n", "\n\n", "\r\n\r\n"])
    return text.rstrip("\r\n").encode() if chance.random() < 0.5 else text.encode()


def _utf16(rows: range, chance: random.Random) -> bytes:
    text = "".join(f"{row},ఊ\n" + chance.choice(["", "\n", "\n\n"]) for row in rows)
    return text.encode("utf-16")


def _json(rows: range, chance: random.Random) -> bytes:
    return "".join(f'{{"n": {row}}}\n' + chance.choice(["", "\n"]) for row in rows).encode()


def _parquet(rows: range, chance: random.Random) -> bytes:
    sink = io.BytesIO()
    pq.write_table(
        pa.table({"n": list(rows)}), sink, row_group_size=chance.randrange(5, 5 + len(rows))
    )
    return sink.getvalue()


@pytest.mark.parametrize(
    ("write", "read"),
    [(_csv, _CSV), (_utf16, _LINES), (_json, "read_json_lines"), (_parquet, "read_parquet")],
)
def test_mini_batches_have_exactly_so_many_rows_of_one_file(
    make_table: MakeTable, write: Any, read: Any
) -> None:
    chance = random.Random(7)
    for count in (1, 3, 10, 1000):
        files, start = [], 0
        for rows in (chance.randrange(1, 40), 1, 20):
            files.append((rows, write(range(start, start + rows), chance)))
            start += rows
        folder = make_table([content for _, content in files], read)
        frames = [frame for _, frame in load_table(str(folder)).mini_batches(f"{count} rows")]
        assert [len(frame) for frame in frames] == _expected([rows for rows, _ in files], count)
        whole = load_table(str(folder)).to_pandas()
        assert pd.concat(frames, ignore_index=True).to_csv() == whole.to_csv()
        assert whole.iloc[:, 0].tolist() == list(range(start))


def test_rows_are_counted_across_the_chunks_in_which_a_file_is_scanned(
    make_table: MakeTable,
) -> None:
    # 3 MB; lines end, and quotes double, on both sides of the ends of chunks of 1 MB.
    cells = ['"' + '""\r\n' * (index % 7) + "x" * (index % 11) + '"' for index in range(200_000)]
    folder = make_table([("a\r\n" + "\r\n".join(cells)).encode()], _CSV)
    sizes = _sizes(folder, "70000 rows")
    assert sizes == [70_000, 70_000, 60_000]
    # An empty line on both sides of an end, which is 1 MB after the header.
    for before in range(2**20 - 4, 2**20 + 3):
        content = b"a\n" + b"x" * (before - 2) + b"\r\n\r\n" + b"y\r\n" * 3
        assert _sizes(make_table([content], _CSV), "2 rows") == [2, 2]


def test_delta(tmp_path: Path) -> None:
    deltalake.write_deltalake(str(tmp_path / "t"), pa.table({"n": list(range(10))}))
    (tmp_path / "MLTable").write_text(
        "paths: [{folder: ./t}]\ntransformations: [read_delta_lake: {}]\n"
    )
    assert _sizes(tmp_path, "4 rows") == [4, 4, 2]


@pytest.mark.parametrize(
    ("transformations", "sizes"),
    [
        ([{"skip": 7}], [5, 5, 5, 1, 5]),
        ([{"take": 12}], [5, 5, 2]),
        ([{"skip": 20}, {"take": 4}], [3, 1]),
        ([{"filter": "col('n') > 1"}], [3, 5, 5, 5, 3, 5]),
        ([{"filter": "col('n') > 1"}, {"take": 6}], [3, 3]),
    ],
)
@pytest.mark.parametrize("write", [_csv, _parquet])
def test_rows_are_counted_after_skip_and_take_and_before_filter(
    make_table: MakeTable, write: Any, transformations: list[Any], sizes: list[int]
) -> None:
    chance = random.Random(7)
    files = [write(range(23), chance), write(range(23, 28), chance)]
    folder = make_table(files, _CSV if write is _csv else "read_parquet", *transformations)
    assert _sizes(folder, "5 rows") == sizes
    notes = plan(str(folder), type="mltable", mode=None, split=BySize.parse("5 rows")).notes
    assert [note for note in notes if "before `filter`" in note] == (
        ["rows are counted before `filter`, so mini-batches may have fewer"]
        if "filter" in transformations[0]
        else []
    )


@pytest.mark.parametrize(("probability", "sizes"), [(0.01, {50}), (1.0, {50}), (0.0, set())])
def test_rows_are_counted_after_sampling(
    make_table: MakeTable, probability: float, sizes: set[int]
) -> None:
    sample = {"take_random_sample": {"probability": probability, "seed": 3}}
    folder = make_table([_parquet(range(100_000), random.Random(1))], "read_parquet", sample)
    *before, last = _sizes(folder, "50 rows") or [0]
    assert set(before) == sizes
    assert sum(before) + last == len(load_table(str(folder)).to_pandas())


def test_a_quote_that_is_never_closed_fails_only_its_record(make_table: MakeTable) -> None:
    folder = make_table([b'a,b\n1,2\n3,4\n5,6\n7,"8\n9,10\n'], _CSV)
    planned = plan(str(folder), type="mltable", mode=None, split=BySize.parse("2 rows"))
    reader = open_reader(planned.reader)
    *good, bad = planned.mini_batches
    assert [reader.read(each)["a"].tolist() for each in good] == [[1, 3], [5]]
    with pytest.raises(Exception, match="line 5: a quote is never closed"):
        reader.read(bad)


def test_a_file_that_cannot_be_read_fails_only_its_mini_batch(make_table: MakeTable) -> None:
    for read, content in (("read_parquet", _parquet(range(3), random.Random(1))), (_CSV, b"a\n1")):
        folder = make_table([content, b"\x1f\x8b...", content], read)
        planned = plan(str(folder), type="mltable", mode=None, split=BySize.parse("10 rows"))
        assert len(list(planned.mini_batches)) == 3


@pytest.mark.parametrize("size", ["0 rows", "-1 rows", "1.5 rows", "rows", "10kb rows", "1000rows"])
def test_other_texts_are_refused(make_table: MakeTable, size: str) -> None:
    with pytest.raises(InvalidInput, match="1000 rows"):
        next(iter(load_table(str(make_table([b"a\n1"], _CSV))).mini_batches(size)))


@pytest.mark.parametrize(("size", "noted"), [("10239", True), ("10240", False), ("1kb", False)])
def test_a_small_number_of_bytes_is_noted_as_a_mistake(size: str, noted: bool) -> None:
    assert bool(BySize.parse(size).note("table")) == noted
