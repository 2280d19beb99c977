"""The fast way to write CSV writes what pandas does, or nothing."""

from __future__ import annotations

import csv
import io
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_parallel.output.formats import format_for
from prefect_parallel.output.formats.csv_lines import csv_lines

CELLS: dict[str, st.SearchStrategy[Any]] = {
    "float64": st.floats() | st.floats(1e-6, 1e12) | st.integers(-(10**6), 10**6).map(float),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint8": st.integers(0, 255),
    "bool": st.booleans(),
    "object": st.text(max_size=5) | st.none(),
    "str": st.text('ü ",\r\n\t', max_size=5),
}


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(0, 6))
    kinds = draw(st.lists(st.sampled_from(sorted(CELLS)), max_size=4))
    columns = [
        pd.Series(draw(st.lists(CELLS[kind], min_size=rows, max_size=rows)), dtype=kind)
        for kind in kinds
    ]
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=range(rows))
    # Names and index are not written; names may even stand there twice.
    return frame.set_axis(["x"] * len(columns), axis=1).set_axis(range(5, 5 + rows), axis=0)


@settings(max_examples=300, deadline=None)
@given(frames(), st.sampled_from(", ;|\t^"))
def test_it_is_what_pandas_writes(frame: pd.DataFrame, delimiter: str) -> None:
    slow = frame.to_csv(index=False, header=False, lineterminator="\n", sep=delimiter).encode()
    assert csv_lines(frame, delimiter) in (slow, None)
    payload = format_for("out.csv", delimiter).encode_frame(frame).payload
    # Before Python 3.13, pandas does not quote a CR.
    assert payload == slow or b"\r" in slow
    if frame.shape[1]:
        rows = csv.reader(io.StringIO(payload.decode(), newline=""), delimiter=delimiter)
        assert [len(row) for row in rows] == [frame.shape[1]] * len(frame)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [0.1, 1.0, 1e-9, float("nan"), -0.0, 1e300], "b": list("abcdef")}),
        pd.DataFrame({"a": [1, 2], "b": [True, False], "c": ["ü", None]}),
        pd.DataFrame({"a": [0.25, 1.5]}),
    ],
)
def test_plain_columns_take_it(frame: pd.DataFrame) -> None:
    lines = csv_lines(frame)
    assert lines is not None
    assert len(list(csv.reader(io.StringIO(lines.decode())))) == len(frame)


@pytest.mark.parametrize(
    "column",
    [
        ['a "quoted" text'],
        [""],
        [pd.Timestamp(0)],
        [{"a": 1}],
        pd.Series([1.5], dtype="float32"),
        pd.Series([1], dtype="Int64"),
        pd.Series(["a"], dtype="category"),
        pd.Series([1, "a"], dtype="object"),
    ],
)
def test_others_do_not(column: Any) -> None:
    assert csv_lines(pd.DataFrame({"a": column})) is None
