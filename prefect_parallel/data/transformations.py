"""The transformations that an MLTable file may have, with their options."""

from __future__ import annotations

from collections.abc import Mapping

from prefect_parallel.data.shapes import (
    BOOLEAN,
    COUNT,
    DELIMITER,
    POSITIVE,
    PROBABILITY,
    REGEX,
    TEXT,
    TIME,
    Either,
    Fields,
    ListOf,
    OneOrMore,
    Shape,
    one_of,
)

COLUMNS = Either(
    Fields({"pattern": REGEX, "invert": BOOLEAN}, frozenset(["pattern"])), OneOrMore(TEXT)
)
_COLUMN_TYPE = Either(
    Fields(
        {
            "boolean": Fields(
                {
                    "true_values": ListOf(TEXT),
                    "false_values": ListOf(TEXT),
                    "mismatch_as": one_of("error", "true", "false"),
                }
            ),
            "datetime": Fields(
                {"formats": OneOrMore(TEXT), "date_constant": TEXT}, frozenset(["formats"])
            ),
        }
    ),
    one_of("string", "int", "float", "boolean", "stream_info"),
)
_ENCODING = one_of(
    *("utf8", "utf-8", "iso88591", "iso-8859-1", "latin1", "latin-1", "ascii", "utf16", "utf-16"),
    *("windows1252", "windows-1252"),
)
_READ: Mapping[str, Shape] = {
    "include_path_column": BOOLEAN,
    "partition_size": POSITIVE,
    "path_column": one_of("Path"),
}
_INFERENCE = Fields(
    {
        "sample_size": POSITIVE,
        "column_type_overrides": ListOf(
            Fields(
                {"columns": OneOrMore(TEXT), "column_type": _COLUMN_TYPE},
                frozenset(["columns", "column_type"]),
            )
        ),
    }
)

READ_TRANSFORMATIONS: Mapping[str, Fields] = {
    "read_delimited": Fields(
        {
            **_READ,
            "delimiter": DELIMITER,
            "encoding": _ENCODING,
            "header": one_of(
                "no_header",
                "from_first_file",
                "all_files_same_headers",
                "all_files_different_headers",
            ),
            "empty_as_string": BOOLEAN,
            "infer_column_types": Either(_INFERENCE, BOOLEAN),
            "support_multi_line": BOOLEAN,
        }
    ),
    "read_json_lines": Fields(
        {**_READ, "encoding": _ENCODING, "invalid_lines": one_of("error", "drop")}
    ),
    "read_parquet": Fields(_READ),
    "read_delta_lake": Fields({**_READ, "version_as_of": COUNT, "timestamp_as_of": TIME}),
}
TRANSFORMATIONS: Mapping[str, Shape] = {
    "convert_column_types": ListOf(
        Fields(
            {"columns": COLUMNS, "column_type": _COLUMN_TYPE}, frozenset(["columns", "column_type"])
        )
    ),
    "drop_columns": COLUMNS,
    "extract_columns_from_partition_format": Fields(
        {"partition_format": TEXT}, frozenset(["partition_format"])
    ),
    "filter": TEXT,
    "keep_columns": COLUMNS,
    "skip": COUNT,
    "take": COUNT,
    "take_random_sample": Fields(
        {"probability": PROBABILITY, "seed": COUNT}, frozenset(["probability", "seed"])
    ),
    **READ_TRANSFORMATIONS,
}
