"""Formats of files that are a table, or a list of items, without an MLTable file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ITEMS = "items"
"""The format of JSON lines of which `run` gets a list of the values."""

# Internal option of read_parquet: dtypes are those of the pandas metadata in the file.
PANDAS_DTYPES = "_pandas_dtypes"

_DELIMITED: Mapping[str, Any] = {
    # Each file has its columns in its own order; a quoted cell may contain line breaks.
    "header": "all_files_different_headers",
    "support_multi_line": True,
    "infer_column_types": {"sample_size": 10_000, "keep_values": True},
}

INPUT_FORMATS: Mapping[str, tuple[str, Mapping[str, Any]] | None] = {
    "csv": ("read_delimited", _DELIMITED),
    "tsv": ("read_delimited", {**_DELIMITED, "delimiter": "\t"}),
    "parquet": ("read_parquet", {"keep_index": False}),
    "pandas": ("read_parquet", {PANDAS_DTYPES: True}),
    "json_lines": ("read_json_lines", {"keep_values": True}),
    "delta": ("read_delta_lake", {}),
    ITEMS: None,
}
"""Name -> the transformation that reads it, with its options; None: items."""

SUFFIXES: Mapping[str, str] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".jsonl": "json_lines",
    ".ndjson": "json_lines",
}
"""End of a file's name -> its format."""

_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")


def format_of(name: str) -> str | None:
    """The format of a table by the name of a file; None if it is not a table file."""
    return next((SUFFIXES[end] for end in SUFFIXES if name.lower().endswith(end)), None)


def is_compressed_table(name: str) -> bool:
    stem, dot, end = name.lower().rpartition(".")
    return f"{dot}{end}" in _COMPRESSED and format_of(stem) is not None
