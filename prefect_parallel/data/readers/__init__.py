"""The formats of tables. A new one is a module here and a line in `READERS`."""

from __future__ import annotations

from collections.abc import Mapping

# The transformation that reads it: module and class.
READERS: Mapping[str, tuple[str, str]] = {
    "read_delimited": ("delimited", "Delimited"),
    "read_json_lines": ("json_lines", "JsonLines"),
    "read_parquet": ("parquet", "Parquet"),
    "read_delta_lake": ("delta", "Delta"),
    "grouped": ("grouped", "Grouped"),
}
