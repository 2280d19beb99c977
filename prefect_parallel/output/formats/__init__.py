"""The formats of the aggregated output, chosen by its file name.

An entry process encodes what `run` returned, so that parts are joined by copying bytes where the
format allows it. A new format is a module here and a line in `_FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePath

from prefect_parallel.output.formats.json_lines import JsonLines
from prefect_parallel.output.formats.output_format import (
    Encoded,
    OutputFormat,
    Parts,
    UnencodableReturn,
)
from prefect_parallel.output.formats.parquet import Parquet
from prefect_parallel.output.formats.text import Text

__all__ = [
    "Encoded",
    "JsonLines",
    "OutputFormat",
    "Parquet",
    "Parts",
    "Text",
    "UnencodableReturn",
    "format_for",
]

_FORMATS: Mapping[str, Callable[[], OutputFormat]] = {".parquet": Parquet, ".jsonl": JsonLines}


def format_for(name: str, delimiter: str = ",") -> OutputFormat:
    """The format that a file's name asks for: `.parquet`, `.jsonl`, else text.

    `delimiter` separates the cells of DataFrames in text.
    """
    of_name = _FORMATS.get(PurePath(name).suffix.lower())
    return of_name() if of_name else Text(delimiter)
