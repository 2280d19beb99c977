"""The transformations that an MLTable file may have, with their options."""

from __future__ import annotations

from collections.abc import Mapping

from prefect_parallel.yaml_schema import (
    BOOLEAN,
    COUNT,
    DELIMITER,
    POSITIVE,
    PROBABILITY,
    REGEX,
    TEXT,
    TIME,
    Described,
    Either,
    Fields,
    ListOf,
    OneOrMore,
    ValueSchema,
    one_of,
)

_COLUMN_NAMES = OneOrMore(TEXT)
COLUMNS = Either(
    Fields(
        {
            "pattern": Described("Columns in whose names it is found.", REGEX),
            "invert": Described("All others; `false` by default.", BOOLEAN),
        },
        frozenset(["pattern"]),
    ),
    _COLUMN_NAMES,
)
COLUMN_TYPE = Fields(
    {
        "boolean": Described(
            "As the type `boolean`, with words of your own.",
            Fields(
                {
                    "true_values": Described("Words that are true.", ListOf(TEXT)),
                    "false_values": Described("Words that are false.", ListOf(TEXT)),
                    "mismatch_as": Described(
                        "What other words are; `error`, by default, makes null of them.",
                        one_of("error", "true", "false"),
                    ),
                }
            ),
        ),
        "datetime": Described(
            "Moments, from text.",
            Fields(
                {
                    "formats": Described(
                        "As `%Y-%m-%d`. The first that a value has the shape of counts.",
                        OneOrMore(TEXT),
                    ),
                    "date_constant": Described(
                        "Put in front of each value, where values are times of a day.", TEXT
                    ),
                },
                frozenset(["formats"]),
            ),
        ),
    }
)
_COLUMN_TYPE = Either(COLUMN_TYPE, one_of("string", "int", "float", "boolean", "stream_info"))
_ENCODING = Described(
    "Of the files; `utf8` by default.",
    one_of(
        *("utf8", "utf-8", "iso88591", "iso-8859-1", "latin1", "latin-1", "ascii"),
        *("utf16", "utf-16", "windows1252", "windows-1252"),
    ),
)
_READ: Mapping[str, ValueSchema] = {
    "include_path_column": Described(
        "Whether there is a column `Path`, of the file that a row stands in; `false` by default.",
        BOOLEAN,
    ),
    "partition_size": Described("No meaning here: mini-batches have sizes.", POSITIVE),
    "path_column": Described("The name of that column.", one_of("Path")),
}
_INFERENCE = Fields(
    {
        "sample_size": Described("How many rows are looked at; 200 by default.", POSITIVE),
        "column_type_overrides": Described(
            "Types of columns that are not inferred: `columns` and `column_type` of each.",
            ListOf(
                Fields(
                    {
                        "columns": Described("Their names.", _COLUMN_NAMES),
                        "column_type": Described("Their type.", _COLUMN_TYPE),
                    },
                    frozenset(["columns", "column_type"]),
                )
            ),
        ),
    }
)

READ_TRANSFORMATIONS: Mapping[str, Described] = {
    "read_delimited": Described(
        "Text with delimiters, as CSV.",
        Fields(
            {
                "delimiter": Described("Between two columns; `,` by default.", DELIMITER),
                "encoding": _ENCODING,
                "header": Described(
                    "Where names of columns are from; `all_files_same_headers` by default.",
                    one_of(
                        "no_header",
                        "from_first_file",
                        "all_files_same_headers",
                        "all_files_different_headers",
                    ),
                ),
                "empty_as_string": Described(
                    "Whether an empty field is empty text; `false` by default: null.", BOOLEAN
                ),
                "infer_column_types": Described(
                    "Whether columns get the types that their first rows have; `true` by default.",
                    Either(_INFERENCE, BOOLEAN),
                ),
                "support_multi_line": Described(
                    "Whether a quoted field may have line breaks; `false` by default.", BOOLEAN
                ),
                **_READ,
            }
        ),
    ),
    "read_json_lines": Described(
        "JSON, an object a line.",
        Fields(
            {
                "encoding": _ENCODING,
                "invalid_lines": Described(
                    "What a line is that is no object; `error` by default.", one_of("error", "drop")
                ),
                **_READ,
            }
        ),
    ),
    "read_parquet": Described("Parquet.", Fields(_READ)),
    "read_delta_lake": Described(
        "A Delta table; needs `prefect-parallel[delta]`.",
        Fields(
            {
                "version_as_of": Described("The version to read; the newest by default.", COUNT),
                "timestamp_as_of": Described("The version of that time.", TIME),
                **_READ,
            }
        ),
    ),
}
TRANSFORMATIONS: Mapping[str, Described] = {
    **READ_TRANSFORMATIONS,
    "convert_column_types": Described(
        "Types of columns. A value that does not fit becomes null.",
        ListOf(
            Fields(
                {
                    "columns": Described("Which columns.", COLUMNS),
                    "column_type": Described("Their type.", _COLUMN_TYPE),
                },
                frozenset(["columns", "column_type"]),
            )
        ),
    ),
    "drop_columns": Described("All columns but these.", COLUMNS),
    "keep_columns": Described("These columns only.", COLUMNS),
    "extract_columns_from_partition_format": Described(
        "Columns that the paths of files give.",
        Fields(
            {
                "partition_format": Described(
                    "What a path holds, e.g. `/{region}/{day:yyyy/MM/dd}/*.csv`.", TEXT
                )
            },
            frozenset(["partition_format"]),
        ),
    ),
    "filter": Described("The rows, or files, that an expression is true of.", TEXT),
    "skip": Described("All but the first so many rows, or files.", COUNT),
    "take": Described("The first so many rows, or files.", COUNT),
    "take_random_sample": Described(
        "Some rows, or files; the same ones each time.",
        Fields(
            {
                "probability": Described("Of each to be among them.", PROBABILITY),
                "seed": Described("Another one chooses others.", COUNT),
            },
            frozenset(["probability", "seed"]),
        ),
    ),
}
