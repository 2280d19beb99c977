"""The file formats of tables: how each is cut into pieces, and how the rows of a piece are read.

A new format is a module here and a line in `FORMATS`. In their order, each imports only what is to
its left:

    row_ranges <- table_format, text_file, delimited_text <- json_rows, header, sample, record_file
        <- delimited, json_lines, parquet, grouped <- delta
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, cast

from prefect_parallel.data.formats.table_format import Facts, TableFormat
from prefect_parallel.data.locations.datastores import Datastores

# The transformation that reads the format -> module and class.
FORMATS: Mapping[str, tuple[str, str]] = {
    "read_delimited": ("delimited", "Delimited"),
    "read_json_lines": ("json_lines", "JsonLines"),
    "read_parquet": ("parquet", "Parquet"),
    "read_delta_lake": ("delta", "Delta"),
    "grouped": ("grouped", "Grouped"),
}


def make_format(
    name: str, options: dict[str, Any], facts: Facts, datastores: Datastores
) -> TableFormat:
    """The reader of a `read_*` transformation."""
    module, class_ = FORMATS[name]
    found = importlib.import_module(f"{__name__}.{module}")
    return cast("TableFormat", getattr(found, class_)(options, facts, datastores))
