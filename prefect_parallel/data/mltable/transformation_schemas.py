"""Schemas of the transformations in MLTable files."""

from __future__ import annotations

import re
from collections.abc import Mapping

from prefect_parallel.document import Date
from prefect_parallel.yaml_schema import (
    BOOLEAN,
    TEXT,
    Described,
    Either,
    Fields,
    ListOf,
    OneOrMore,
    Scalar,
    ValueSchema,
    one_of,
)


def _is_regex(text: str) -> bool:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


_COUNT = Scalar("an integer of at least 0", (int,), lambda value: value >= 0)
_POSITIVE = Scalar("an integer of at least 1", (int,), lambda value: value >= 1)
_PROBABILITY = Scalar(
    "a number from 0.0 to 1.0, with a decimal point", (float,), lambda value: 0 <= value <= 1
)
_REGEX = Scalar("a regular expression", (str,), _is_regex)
_DELIMITER = Scalar("one or two characters", (str,), lambda text: len(text) in (1, 2))
# An unquoted date is allowed here.
_TIME = Scalar("a time such as 2024-01-31T00:00:00Z", (str, Date))

_COLUMN_NAMES = OneOrMore(TEXT)
COLUMNS = Either(
    Fields(
        {
            "pattern": Described("Columns whose names contain a match.", _REGEX),
            "invert": Described(
                "Whether to choose all other columns instead; `false` by default.", BOOLEAN
            ),
        },
        frozenset(["pattern"]),
    ),
    _COLUMN_NAMES,
)
COLUMN_TYPE = Fields(
    {
        "boolean": Described(
            "Booleans, from the words given here.",
            Fields(
                {
                    "true_values": Described("Words for true.", ListOf(TEXT)),
                    "false_values": Described("Words for false.", ListOf(TEXT)),
                    "mismatch_as": Described(
                        "Value of other words; with `error`, the default, they become null.",
                        one_of("error", "true", "false"),
                    ),
                }
            ),
        ),
        "datetime": Described(
            "Datetimes, from text.",
            Fields(
                {
                    "formats": Described(
                        "Formats such as `%Y-%m-%d`, tried in order.",
                        OneOrMore(TEXT),
                    ),
                    "date_constant": Described(
                        "Date prefixed to each value, for values that are times of day.", TEXT
                    ),
                },
                frozenset(["formats"]),
            ),
        ),
    }
)
_COLUMN_TYPE = Either(COLUMN_TYPE, one_of("string", "int", "float", "boolean", "stream_info"))
_ENCODING = Described(
    "Encoding of the files; `utf8` by default.",
    one_of(
        *("utf8", "utf-8", "iso88591", "iso-8859-1", "latin1", "latin-1", "ascii"),
        *("utf16", "utf-16", "windows1252", "windows-1252", "utf8bom", "utf32"),
    ),
)
_READ: Mapping[str, ValueSchema] = {
    "include_path_column": Described(
        "Whether to add a column `Path` with the file of each row; `false` by default.",
        BOOLEAN,
    ),
    "partition_size": Described("Ignored: use `mini_batch_size`.", _POSITIVE),
    "path_column": Described("Name of that column.", one_of("Path")),
}
_INFERENCE = Fields(
    {
        "sample_size": Described("Number of rows to infer types from; 200 by default.", _POSITIVE),
        "keep_values": Described(
            "Not in Azure: whether a value that does not fit the type of its column changes the"
            " type instead of becoming null. A column is text if another type would lose or round a"
            " value: dates that do not decide whether day or month comes first, or after 2262, and"
            " integers of more than 64 bits. In a mini-batch with a value that does not fit, the"
            " column has another type: doubles instead of integers, or text. Only words for true"
            " and false are booleans, not 1, 0, Y and N. `false` by default.",
            BOOLEAN,
        ),
        "column_type_overrides": Described(
            "Types of columns that are not inferred: a list of `columns` and `column_type`.",
            ListOf(
                Fields(
                    {
                        "columns": Described("Names of the columns.", _COLUMN_NAMES),
                        "column_type": Described("Type of the columns.", _COLUMN_TYPE),
                    },
                    frozenset(["columns", "column_type"]),
                )
            ),
        ),
    }
)

READ_TRANSFORMATIONS: Mapping[str, Described] = {
    "read_delimited": Described(
        "Delimited text such as CSV.",
        Fields(
            {
                "delimiter": Described("Delimiter of columns; `,` by default.", _DELIMITER),
                "encoding": _ENCODING,
                "header": Described(
                    "Where column names come from; `all_files_same_headers` by default.",
                    one_of(
                        "no_header",
                        "from_first_file",
                        "all_files_same_headers",
                        "all_files_different_headers",
                    ),
                ),
                "empty_as_string": Described(
                    "Whether empty fields are empty text; `false` by default: they are null.",
                    BOOLEAN,
                ),
                "infer_column_types": Described(
                    "Whether to infer the types of columns from the first rows; `true` by default.",
                    Either(_INFERENCE, BOOLEAN),
                ),
                "support_multi_line": Described(
                    "Whether quoted fields may contain line breaks; `false` by default.", BOOLEAN
                ),
                **_READ,
            }
        ),
    ),
    "read_json_lines": Described(
        "JSON lines: one object per line.",
        Fields(
            {
                "encoding": _ENCODING,
                "invalid_lines": Described(
                    "What to do with a line that is not an object; `error` by default.",
                    one_of("error", "drop"),
                ),
                "keep_values": Described(
                    "Not in Azure: whether a value that does not fit the type of its column changes"
                    " the type instead of becoming null. A column with values of several types, or"
                    " with an integer of more than 64 bits, has Python objects; with integers and"
                    " decimals, it has doubles if none is rounded. `false` by default: the type is"
                    " that of the first value.",
                    BOOLEAN,
                ),
                **_READ,
            }
        ),
    ),
    "read_parquet": Described(
        "Parquet.",
        Fields(
            {
                "keep_index": Described(
                    "Not in Azure: whether an index without a name, which pandas writes as the"
                    " column `__index_level_0__`, is a column; `true` by default.",
                    BOOLEAN,
                ),
                **_READ,
            }
        ),
    ),
    "read_delta_lake": Described(
        "A Delta table; needs `prefect-parallel[delta]`.",
        Fields(
            {
                "version_as_of": Described("Version to read; the latest by default.", _COUNT),
                "timestamp_as_of": Described(
                    "Read the version that was current at this time.", _TIME
                ),
                **_READ,
            }
        ),
    ),
}
TRANSFORMATIONS: Mapping[str, Described] = {
    **READ_TRANSFORMATIONS,
    "convert_column_types": Described(
        "Converts columns. Values that do not fit become null.",
        ListOf(
            Fields(
                {
                    "columns": Described("Columns to convert.", COLUMNS),
                    "column_type": Described("Type of the columns.", _COLUMN_TYPE),
                },
                frozenset(["columns", "column_type"]),
            )
        ),
    ),
    "drop_columns": Described("Removes columns.", COLUMNS),
    "keep_columns": Described("Removes all other columns.", COLUMNS),
    "extract_columns_from_partition_format": Described(
        "Adds columns from the paths of files.",
        Fields(
            {
                "partition_format": Described(
                    "Format of the paths, e.g. `/{region}/{day:yyyy/MM/dd}/*.csv`.", TEXT
                )
            },
            frozenset(["partition_format"]),
        ),
    ),
    "filter": Described("Keeps rows, or files, for which an expression is true.", TEXT),
    "skip": Described("Skips a number of rows, or files.", _COUNT),
    "take": Described("Keeps a number of rows, or files, from the start.", _COUNT),
    "take_random_sample": Described(
        "Keeps a random sample of rows, or files: the same in each run.",
        Fields(
            {
                "probability": Described("Probability of each row to be kept.", _PROBABILITY),
                "seed": Described("Seed of the random numbers; 0 by default.", _COUNT),
            },
            frozenset(["probability"]),
        ),
    ),
}
