"""One mini-batch for each combination of values of the keys."""

from __future__ import annotations

import datetime
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import deltalake
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_parallel.data import (
    ByKeys,
    BySize,
    MiniBatch,
    Plan,
    load_files,
    load_table,
    open_reader,
    plan,
)
from prefect_parallel.errors import InvalidInput
from tests.data.conftest import MakeTable
from tests.data.test_join import SETTINGS, values

EXTRACT = {"extract_columns_from_partition_format": {"partition_format": "/{Store}/{Brand}.csv"}}
SALES = {
    "1001/dominicks.csv": b"week,units\n1,10\n2,20\n",
    "1001/tropicana.csv": b"week,units\n1,30\n",
    "0002/dominicks.csv": b"week,units\n1,40\n2,50\n",
}


def test_keys_from_the_path(make_table: MakeTable) -> None:
    table = load_table(str(make_table(SALES, EXTRACT, "read_delimited")))
    found = list(table.mini_batches(partition_keys=["Store"]))
    assert [dict(context.partition_key_value) for context, _ in found] == [
        {"Store": "1001"},
        {"Store": "0002"},
    ]
    assert [context.mini_batch_index for context, _ in found] == [0, 1]
    assert [context.minibatch_index for context, _ in found] == [0, 1]
    # The column has a type, the key has the text of the path.
    assert [frame["Store"].tolist() for _, frame in found] == [[1001] * 3, [2] * 2]
    assert [frame["units"].tolist() for _, frame in found] == [[10, 20, 30], [40, 50]]


def test_keys_from_the_path_need_no_data(make_table: MakeTable) -> None:
    folder = make_table(SALES, EXTRACT, "read_delimited")
    made = plan(str(folder), type="mltable", mode="direct", split=ByKeys(("Brand", "Store")))
    descriptions = [mini_batch.describe() for mini_batch in made.mini_batches]
    assert descriptions[0] == "Brand=dominicks, Store=1001: dominicks.csv bytes 11-21"
    assert made.notes == ()


def test_the_files_of_a_key_are_one_mini_batch_in_order(make_table: MakeTable) -> None:
    table = load_table(str(make_table(SALES, EXTRACT, "read_delimited")))
    (_, dominicks), (_, tropicana) = table.mini_batches(partition_keys=["Brand"])
    assert dominicks["units"].tolist() == [10, 20, 40, 50]
    assert tropicana["units"].tolist() == [30]


def test_files_by_keys_from_the_path(make_table: MakeTable) -> None:
    folder = make_table(SALES, EXTRACT)
    found = list(load_files(str(folder)).mini_batches(partition_keys=["Brand"]))
    assert [dict(context.partition_key_value) for context, _ in found] == [
        {"Brand": "dominicks"},
        {"Brand": "tropicana"},
    ]
    assert [[Path(path).parent.name for path in paths] for _, paths in found] == [
        ["1001", "0002"],
        ["1001"],
    ]


keys = st.sampled_from(["a", "b", "", "é"])
rows = st.lists(st.tuples(keys, st.integers(0, 3), st.integers()), min_size=1, max_size=30)


@SETTINGS
@given(rows=rows, split_at=st.integers(0, 30), by=st.sampled_from([("k",), ("n", "k"), ("n",)]))
def test_keys_from_ordinary_columns(
    make_table: MakeTable, rows: list[tuple[str, int, int]], split_at: int, by: tuple[str, ...]
) -> None:
    files = [
        "".join(json.dumps({"k": k or None, "n": n, "v": v, "o": [v]}) + "\n" for k, n, v in part)
        for part in (rows[:split_at], rows[split_at:])
    ]
    table = load_table(str(make_table([file.encode() for file in files], "read_json_lines")))
    whole = table.to_pandas()
    groups: dict[tuple[str, ...], list[int]] = {}
    for at, (k, n, _) in enumerate(rows):
        groups.setdefault(tuple({"k": k, "n": str(n)}[key] for key in by), []).append(at)
    found = list(table.mini_batches(partition_keys=by))
    assert [tuple(context.partition_key_value.values()) for context, _ in found] == list(groups)
    for (_, frame), at in zip(found, groups.values(), strict=True):
        assert json.dumps(values(frame)) == json.dumps(values(whole.iloc[at]))


def parquet(frame: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(frame), file)
    return file.getvalue()


def test_grouped_rows_keep_the_types_of_the_table(make_table: MakeTable, tmp_path: Path) -> None:
    frame = {
        "k": pa.array([2, 1, 2], pa.int8()),
        "when": pa.array([0, 1, None], pa.timestamp("ms", "UTC")),
        "nested": [{"x": 1}, None, {"x": 3}],
    }
    folder = make_table([parquet(frame), parquet(frame)], "read_parquet")
    work = tmp_path / "work"
    split = ByKeys(("k",))
    made = plan(str(folder), type="mltable", mode=None, split=split, work_folder=str(work))
    reader = open_reader(json.loads(json.dumps(made.reader)))
    planned = list(made.mini_batches)
    found = [reader.read(MiniBatch.from_json(json.loads(each.to_text()))) for each in planned]
    whole = load_table(str(folder)).to_pandas()
    for part, at in zip(found, [[0, 2, 3, 5], [1, 4]], strict=True):
        assert isinstance(part, pd.DataFrame)
        pd.testing.assert_frame_equal(part, whole.iloc[at].reset_index(drop=True))
    assert "grouping by k read" in made.notes[0]

    # Planned again, as by a run that resumes: the same descriptors, of the same files.
    written = {path: path.stat().st_mtime_ns for path in work.rglob("*.arrow")}
    again = plan(str(folder), type="mltable", mode=None, split=split, work_folder=str(work))
    assert list(again.mini_batches) == planned
    assert {path: path.stat().st_mtime_ns for path in work.rglob("*.arrow")} == written

    # Of other data, other ones.
    (folder / "0.data").write_bytes(parquet({**frame, "k": pa.array([3, 1, 2], pa.int8())}))
    other = plan(str(folder), type="mltable", mode=None, split=split, work_folder=str(work))
    assert next(other.mini_batches) != planned[0]


def test_grouping_notes_what_was_lost(make_table: MakeTable) -> None:
    rows = b"".join(b"%d,7\n" % (number % 3) for number in range(2, 300))
    folder = make_table([b"k,n\n" + rows + b"1,many\n2\n"], "read_delimited")
    made = plan(str(folder), type="mltable", mode=None, split=ByKeys(("k",)))
    assert made.notes[1:] == (
        "column n: 1 value that did not fit its type became null",
        f"1 row with fewer or more cells than the header, the first: {folder / '0.data'}, line 301",
    )


def test_a_file_of_which_a_filter_keeps_no_row_is_grouped_with_others(
    make_table: MakeTable,
) -> None:
    folder = make_table(
        [b"k,n\na,1\n", b"k,n\na,20\nb,30\n"], "read_delimited", {"filter": "n > 10"}
    )
    found = load_table(str(folder)).mini_batches(partition_keys=["k"])
    rows = {context.partition_key_value["k"]: frame["n"].tolist() for context, frame in found}
    assert rows == {"a": [20], "b": [30]}


def test_skip_and_take_apply_to_the_whole_table(make_table: MakeTable) -> None:
    folder = make_table(SALES, EXTRACT, "read_delimited", {"skip": 1}, {"take": 3})
    found = dict_of_units(folder, "Brand")
    assert found == {"dominicks": [20, 40], "tropicana": [30]}
    assert dict_of_units(folder, "week") == {"2": [20], "1": [30, 40]}


def dict_of_units(folder: Path, key: str) -> dict[str, list[int]]:
    table = load_table(str(folder))
    return {
        context.partition_key_value[key]: frame["units"].tolist()
        for context, frame in table.mini_batches(partition_keys=[key])
    }


def test_a_key_that_is_not_a_column(make_table: MakeTable) -> None:
    folder = str(make_table(SALES, EXTRACT, "read_delimited"))
    with pytest.raises(InvalidInput) as refused:
        plan(folder, type="mltable", mode=None, split=ByKeys(("Brnd",)))
    assert "partition key 'Brnd' is not a column of the input" in str(refused.value)
    assert "allowed: Store, Brand, week, units" in str(refused.value)
    assert "did you mean Brand?" in str(refused.value)
    with pytest.raises(InvalidInput, match="given twice"):
        plan(folder, type="mltable", mode=None, split=ByKeys(("Brand", "Brand")))
    with pytest.raises(InvalidInput, match="extract_columns_from_partition_format"):
        plan(folder, type="uri_folder", mode=None, split=ByKeys(("Brand",)))


def test_folders_named_by_hive_are_noted(tmp_path: Path) -> None:
    folder = tmp_path / "run=1"
    frame = pd.DataFrame({"year": ["2023", "2024"], "kind": ["a", "a"], "n": [1, 2]})
    frame.to_parquet(folder, partition_cols=["year", "kind"])

    def planned(split: BySize | ByKeys) -> Plan:
        return plan(str(folder), type="uri_folder", mode=None, split=split, input_format="parquet")

    (note,) = planned(BySize()).notes
    assert note.startswith("to have year, kind in the paths of the files as columns")
    assert planned(ByKeys(("n",))).notes[0] == note
    with pytest.raises(InvalidInput, match="hint: to have year, kind"):
        planned(ByKeys(("year",)))

    extract = note[note.index("extract_columns") :]
    read = f"transformations: [{{{extract}}}, read_parquet]"
    (folder / "MLTable").write_text(f"paths: [{{pattern: ./**/*.parquet}}]\n{read}\n")
    table = load_table(str(folder))
    assert table.to_pandas().to_dict("list") == frame.to_dict("list")
    assert table.plan(BySize()).notes == ()


def test_invalid_sizes() -> None:
    assert BySize.parse("10KB") == BySize(10 * 1024)
    for wrong in ("0", "10 kb", "1.5mb", "kb", -1):
        with pytest.raises(InvalidInput, match="mini_batch_size"):
            BySize.parse(wrong)


DAY = datetime.date(2024, 2, 29)
EXACT = [
    (
        pa.array([DAY, datetime.date(1, 1, 1), datetime.date(9999, 12, 31)], pa.date32()),
        ["2024-02-29", "0001-01-01", "9999-12-31"],
    ),
    (pa.array([DAY, DAY, None], pa.date64()), ["2024-02-29", ""]),
    (
        pa.array(
            [Decimal("3.30"), Decimal("-0.05"), Decimal("1234567890.00")], pa.decimal128(20, 2)
        ),
        ["3.30", "-0.05", "1234567890.00"],
    ),
    (
        pa.array([Decimal("1E-10"), Decimal(0)], pa.decimal128(20, 10)),
        ["0.0000000001", "0.0000000000"],
    ),
    (pa.array([0.0, -1.5, -0.0, 1e22]), ["0", "-1.5", "10000000000000000000000"]),
    (pa.array([b"ab", b"\xff\x00", b"0xff00"]), ["ab", "0xff00", "0x307866663030"]),
    (pa.array([b"ab", b"\xff\x00"], pa.binary(2)), ["ab", "0xff00"]),
    (
        pa.array([0, 3_723_000_001_000, 1_500_000_000], pa.time64("ns")),
        ["00:00:00", "01:02:03.000001", "00:00:01.500"],
    ),
    (pa.array([0, 61], pa.time32("s")), ["00:00:00", "00:01:01"]),
    (
        pa.array([90_061_000_000, -1, 0], pa.duration("us")),
        ["1 days 01:01:01", "-1 days +23:59:59.999999", "0 days 00:00:00"],
    ),
    (
        pa.array([253_402_214_400, 0, -62_135_596_800], pa.timestamp("s")),
        ["9999-12-31T00:00:00+00:00", "1970-01-01T00:00:00+00:00", "0001-01-01T00:00:00+00:00"],
    ),
    (pa.array([10**12, None], pa.timestamp("s", "UTC")), ["33658-09-27T01:46:40+00:00", ""]),
    (pa.array(["b", "a", "b"]).dictionary_encode(), ["b", "a"]),
    (pa.array([[1, 2], [3], None]), ["[1, 2]", "[3]", ""]),
    (pa.array(pd.PeriodIndex(["2024-02", None, "2024-03"], freq="M")), ["2024-02", "", "2024-03"]),
    (pa.array(pd.arrays.IntervalArray.from_breaks([0, 0.5, 1])), ["(0.0, 0.5]", "(0.5, 1.0]"]),
    (
        pa.ExtensionArray.from_storage(
            pa.uuid(), pa.array([b"\0" * 16, b"\xff" * 16], pa.binary(16))
        ),
        ["\0" * 16, "0x" + "f" * 32],
    ),
    (
        pa.array([{"x": Decimal("1.10")}, {"x": Decimal("1.20")}]),
        ['{"x": "1.10"}', '{"x": "1.20"}'],
    ),
]


@pytest.mark.parametrize(("column", "keys"), EXACT, ids=[str(column.type) for column, _ in EXACT])
def test_each_key_of_any_type_is_a_mini_batch_with_its_exact_text(
    make_table: MakeTable, column: Any, keys: list[str]
) -> None:
    frame = {"k": column, "row": list(range(len(column)))}
    table = load_table(str(make_table([parquet(frame), parquet(frame)], "read_parquet")))
    found = list(table.mini_batches(partition_keys=["k"]))
    assert [context.partition_key_value["k"] for context, _ in found] == keys
    rows = [frame["row"].tolist() for _, frame in found]
    assert sorted(row for part in rows for row in part) == sorted([*frame["row"], *frame["row"]])


def test_keys_from_partition_columns_of_a_delta_table(tmp_path: Path) -> None:
    for name, column, keys in [
        ("date", pa.array([DAY, DAY, None], pa.date32()), {"2024-02-29", ""}),
        (
            "decimal",
            pa.array([Decimal("3.30"), Decimal("3.31")] * 2, pa.decimal128(9, 2)),
            {"3.30", "3.31"},
        ),
    ]:
        folder = tmp_path / name
        rows = pa.table({"k": column, "v": list(range(len(column)))})
        deltalake.write_deltalake(folder / "t", rows, partition_by=["k"])
        (folder / "MLTable").write_text(
            "paths: [{folder: t}]\ntransformations: [read_delta_lake]\n"
        )
        found = list(load_table(str(folder)).mini_batches(partition_keys=["k"]))
        assert {context.partition_key_value["k"] for context, _ in found} == keys
        assert sum(len(frame) for _, frame in found) == len(rows)
