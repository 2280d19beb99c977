"""The data that a function is called with, as an input of a step."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

_READERS = {
    ".csv": {"read_delimited": {"delimiter": ",", "header": "all_files_same_headers"}},
    ".jsonl": {"read_json_lines": {}},
    ".parquet": {"read_parquet": {}},
}


def as_input(data: Any, folder: Path) -> dict[str, Any]:
    """The input of a step.

    Args:
        data: A path, or a DataFrame.
        folder: Where a description of it is written, and a DataFrame itself.
    """
    if isinstance(data, pd.DataFrame):
        folder.mkdir(parents=True, exist_ok=True)
        data.to_parquet(folder / "data.parquet")
        return _table(folder / "data.parquet", folder)
    path = os.fspath(data)
    reader = Path(path).suffix
    if reader in _READERS:
        return _table(path, folder)
    if (Path(path) / "MLTable").exists():
        return {"type": "mltable", "path": path, "mode": "direct"}
    return {"type": "uri_folder", "path": path}


def _table(path: str | Path, folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    reader = _READERS[Path(path).suffix]
    entry = {"pattern" if "*" in str(path) else "file": str(Path(path).absolute())}
    text = yaml.safe_dump({"paths": [entry], "transformations": [reader]})
    (folder / "MLTable").write_text(text)
    return {"type": "mltable", "path": str(folder), "mode": "direct"}
