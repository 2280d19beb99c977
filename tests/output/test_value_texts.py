"""Values that a format has no form for are written as texts, the same in every process."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import functools
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prefect_parallel.output.formats import UnencodableReturn, format_for

LETTERS = {"a", "b", "c", "d", "e"}
ORDERED = "{'a', 'b', 'c', 'd', 'e'}"


class Colour(enum.Enum):
    RED = 1


class Model:
    def name(self) -> str:
        return "model"


class Named:
    def __str__(self) -> str:
        return "named"


def text(*elements: Any) -> str:
    return format_for("out.txt").encode_elements(elements).payload.decode()


def csv(*cells: Any) -> str:
    column = pd.Series(cells, [7] * len(cells), dtype=object)
    return format_for("out.csv").encode_frame(pd.DataFrame({"a": column})).payload.decode()


def json_lines(*elements: Any) -> str:
    return format_for("out.jsonl").encode_elements(elements).payload.decode()


def encode_sets() -> None:
    """Print sets in all formats; run in processes with different seeds of hashes."""
    of_sets = {frozenset("az"), frozenset("by"), frozenset("cx")}
    for encode in (text, csv, json_lines):
        sys.stdout.write(encode(LETTERS, [of_sets], {"k": LETTERS}))
    parquet = format_for("out.parquet")
    print(parquet.encode_elements([{"a": of_sets}]).payload)


def test_sets_are_the_same_bytes_in_every_process() -> None:
    program = f"import {__name__} as module; module.encode_sets()"
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2", "3", "4")
    }
    assert len(printed) == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (LETTERS, ORDERED),
        (frozenset(LETTERS), f"frozenset({ORDERED})"),
        ({10, 9, 1}, "{1, 9, 10}"),
        (set(), "set()"),
        ([1, (LETTERS,)], f"[1, ({ORDERED},)]"),
        ({"k": [LETTERS]}, f"{{'k': [{ORDERED}]}}"),
        ({frozenset(LETTERS): 1}, f"{{frozenset({ORDERED}): 1}}"),
        (
            collections.defaultdict(set, {"k": LETTERS}),
            f"defaultdict(<class 'set'>, {{'k': {ORDERED}}})",
        ),
        (np.array([LETTERS, [1]], dtype=object), f"[{ORDERED} list([1])]"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_sets_are_in_order_at_any_depth(value: Any, expected: str) -> None:
    assert text(value) == f"{expected}\n"
    assert csv(value).strip('"\n') == expected


def test_a_category_may_be_a_set() -> None:
    frame = pd.DataFrame({"a": pd.Categorical([frozenset(LETTERS), None])})
    payload = format_for("out.csv").encode_frame(frame).payload
    assert payload.decode() == f'"frozenset({ORDERED})"\n""\n'


def test_missing_cells_beside_a_set_are_empty() -> None:
    assert csv({"a"}, None, np.nan, pd.NA, pd.NaT, 1.0) == "{'a'}\n" + '""\n' * 4 + "1.0\n"


@pytest.mark.parametrize(
    "value",
    [
        Path("/a"), uuid.UUID(int=3), decimal.Decimal("1.50"), Colour.RED, datetime.timedelta(3),
        Named(), Model, len, 1j, b"x", ValueError("<Model object at 0x7f5c>"), range(3),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_values_with_a_text_are_written_as_such(value: Any) -> None:
    assert text(value) == f"{value}\n"
    assert csv(value) == f"{value}\n" or "," in str(value)
    assert json_lines(value) == f'"{value}"\n'


@pytest.mark.parametrize("encode", [text, csv, json_lines])
@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Model(), "Model"),
        ([{"a": Model()}], "Model"),
        ({"a": {Model()}}, "Model"),
        (np.array([Model()], dtype=object), "Model"),
        (test_a_category_may_be_a_set, "function"),
        (Model().name, "method"),
        (Model().__init__, "method-wrapper"),
        ([].append, "builtin_function_or_method"),
        (functools.partial(csv), "partial"),
        ((letter for letter in LETTERS), "generator"),
        ([iter([1])], "list_iterator"),
        (map(str, LETTERS), "map"),
    ],
    # Others would contain addresses.
    ids=[f"value{number}" for number in range(12)],
)
def test_an_address_in_memory_is_no_text(encode: Any, value: Any, name: str) -> None:
    with pytest.raises(UnencodableReturn, match=f"of type {name}: its only text is its") as caught:
        encode(value)
    found = "return list(value)" if name in ("generator", "list_iterator", "map") else ""
    assert found in str(caught.value)
