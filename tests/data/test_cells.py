"""Parsing of delimited text by Arrow and by this package, which must agree."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prefect_parallel.data.columns.kinds import ARROW_TYPES, from_text
from prefect_parallel.data.formats.delimited_text import Dialect, QuoteMask, UnclosedQuote
from tests.data.test_golden import as_json

SETTINGS = settings(max_examples=400, deadline=None)

texts = st.text(alphabet='ab,,""\n\n\r 0', max_size=25)
dialects = st.builds(
    Dialect,
    delimiter=st.sampled_from([",", "b"]),
    multi_line=st.booleans(),
    empty=st.sampled_from([None, ""]),
)


@SETTINGS
@given(text=texts, dialect=dialects)
def test_arrow_parses_the_same_rows_or_none(text: str, dialect: Dialect) -> None:
    try:
        rows = list(dialect.rows(text))
    except UnclosedQuote:
        assert dialect.multi_line
        with pytest.raises(UnclosedQuote):
            dialect.columns(text.encode())
        return
    assert dialect.count(text.encode()) == len(rows)
    if rows:
        names = [str(position) for position in range(len(rows[0]))]
        table = dialect.parse(text.encode(), dict.fromkeys(names, pa.string()))
        if table is not None:
            assert [list(row.values()) for row in table.to_pylist()] == rows


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("a,b\nc,d\n", True),
        ('"a\n",b\n', True),
        ('a,"b', False),
        ("a,b\nc\n", False),
        ("a\rb,c\n", False),
    ],
)
def test_arrow_is_used_where_it_agrees(text: str, taken: bool) -> None:
    dialect = Dialect(multi_line=True)
    table = dialect.parse(text.encode(), {"1": pa.string(), "2": pa.string()})
    assert (table is not None) == taken


@SETTINGS
@given(text=texts, cuts=st.lists(st.integers(0, 25), max_size=3))
@example(text='"a""\nb"\n', cuts=[3])
@example(text='""""\n', cuts=[1, 2, 3])
def test_a_line_end_that_is_not_masked_ends_a_record(text: str, cuts: list[int]) -> None:
    dialect = Dialect(multi_line=True)
    mask = QuoteMask(",")
    data, masked = text.encode(), b""
    for cut in [*sorted(cuts), len(data)]:
        final = cut == len(data)
        masked += mask(data[len(masked) : cut], final)
        if final:
            break
    assert len(masked) == len(text)
    if mask.open_at is not None:
        assert text[mask.open_at] == '"'
        with pytest.raises(UnclosedQuote):
            list(dialect.rows(text))
        return
    ends = [at + 1 for at, byte in enumerate(masked) if byte == ord("\n")]
    records = [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]
    parts = [row for record in records for row in dialect.rows(record)]
    assert parts == list(dialect.rows(text))


values = st.lists(
    st.text(alphabet="01.+-e tTfFNnainxX", max_size=6).map(lambda text: text.replace(",", ""))
    | st.sampled_from(["9223372036854775808", "1e400", "inf", "True", "0x1F", "1_0", "٣"]),
    min_size=1,
    max_size=4,
)


@SETTINGS
@given(values=values, kind=st.sampled_from(["int", "float", "boolean"]))
def test_arrow_converts_to_the_same_values_or_none(values: list[str], kind: str) -> None:
    lines = "".join(f"x,{value}\n" for value in values)
    table = Dialect().parse(lines.encode(), {"x": pa.string(), "v": ARROW_TYPES[kind]})
    if table is not None:
        text: Any = pa.array([value or None for value in values], pa.string())
        wanted = from_text(text, {"kind": kind}).to_pylist()
        given_ = [as_json(value) for value in table["v"].to_pylist()]
        assert json.dumps(given_) == json.dumps([as_json(value) for value in wanted])


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('"a,b\n"c,d"\n', [['"a', "b"], ["c,d"]]),
        ('"a,"",b\n', [['"a', "", "b"]]),
        ('"a"",b""\n"a""b\n', [['a",b"'], ['"a""b']]),
        ('x,"a""\n"""\n","\n', [["x", 'a"'], ['"'], [","]]),
        ("a\r\n\r\n\nb,\r", [["a"], [None], ["b", None]]),
    ],
)
def test_open_quotes_and_lone_line_ends(text: str, rows: list[list[str | None]]) -> None:
    assert list(Dialect().rows(text)) == rows
    assert Dialect().count(text.encode()) == len(rows)
