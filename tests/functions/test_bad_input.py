"""What a call refuses before anything runs; nothing of it stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from prefect_parallel import parallel
from prefect_parallel.errors import PrefectParallelError


@parallel
def score(rows: Any) -> Any:
    return rows


@parallel
def of_table(rows: pd.DataFrame) -> pd.DataFrame:
    return rows


def broken() -> Iterator[int]:
    yield 1
    raise ZeroDivisionError("half way")


TWICE = pd.DataFrame([[1, 2]], columns=["a", "a"])


@pytest.mark.parametrize(
    ("function", "data", "options", "error", "message"),
    [
        (score, [], {}, PrefectParallelError, "no items"),
        (score, broken(), {}, ZeroDivisionError, "half way"),
        (score, iter([1, {1, 2}]), {}, PrefectParallelError, "item 1"),
        (score, TWICE, {}, PrefectParallelError, "'a'"),
        (score, "none/*.csv", {}, PrefectParallelError, r"none/\*.csv: no file matches"),
        (score, "data.*", {}, PrefectParallelError, "csv"),
        (
            of_table,
            [1, 2],
            {},
            PrefectParallelError,
            "takes a DataFrame, and the data is a list",
        ),
        (score, [1], {"output": "scores"}, PrefectParallelError, "scores has no extension"),
        (score, [1], {"output": "a.xlsx"}, PrefectParallelError, "has the extension .xlsx, which"),
        (score, [1], {"output": "data.csv"}, PrefectParallelError, "data.csv exists already"),
        (score, [1], {"output": "folder.d"}, PrefectParallelError, "folder.d is a folder"),
        (score, [1], {"output": "data.csv/a.csv"}, PrefectParallelError, "csv is not a folder"),
        (score, "empty.csv", {}, PrefectParallelError, "empty.csv: the input is empty"),
        (score, [1], {"resume": "monday"}, PrefectParallelError, "not a run directory"),
    ],
)
def test_what_a_call_refuses(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    function: Any,
    data: Any,
    options: Any,
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"a": [1]}).to_csv("data.csv", index=False)
    pd.DataFrame({"a": [1]}).to_parquet("data.parquet")
    Path("folder.d").mkdir()
    Path("empty.csv").touch()
    with pytest.raises(error, match=message):
        function(data, **options)
    assert not Path("runs").exists()
    assert Path("data.csv").read_text() == "a\n1\n"
