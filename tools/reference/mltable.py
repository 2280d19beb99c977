"""The page about MLTable files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prefect_parallel.data.columns.datetime_formats import DIRECTIVES, SHORTHANDS, SYNONYMS
from prefect_parallel.data.mltable.mltable import KEYS, PATHS
from prefect_parallel.data.mltable.transformation_schemas import (
    COLUMN_TYPE,
    COLUMNS,
    TRANSFORMATIONS,
)
from prefect_parallel.data.transformations import filter as expressions
from prefect_parallel.data.transformations import partition_format
from prefect_parallel.yaml_schema import Described, Either, Fields, ListOf, ValueSchema
from tools.reference.markdown import code, document, fenced, table
from tools.reference.yaml_schemas import options_table, row

_INTRO = """\
An `mltable` input is a folder with a file named `MLTable`. With a `read_*` transformation the input
is a table, without one a list of files. [Differences from Azure ML](../differences.md) lists where
the format is read differently."""

_OF_PATHS = """\
Each item of `paths` has one of these keys. Relative paths are relative to the file's folder."""

_EXAMPLE = """\
type: mltable
paths:
  - pattern: ./sales/**/*.csv
transformations:
  - read_delimited:
      header: all_files_same_headers
  - extract_columns_from_partition_format: {partition_format: "/sales/{region}/*.csv"}
  - filter: 'amount > 0 and region.startswith("north")'
  - keep_columns: [region, store, amount]
"""


def page() -> str:
    return document(
        "MLTable",
        _INTRO,
        fenced("yaml", _EXAMPLE),
        options_table(KEYS),
        f"## Paths\n\n{_OF_PATHS}",
        options_table(PATHS),
        "## Transformations",
        table(("transformation", "value", ""), map(row, TRANSFORMATIONS.items())),
        *_sections(TRANSFORMATIONS),
        "## Columns\n\nA name, a list of names, or a mapping with these keys:",
        options_table(COLUMNS.mapping),
        "## Types of columns\n\nThe name of a type, or a mapping with one of these keys:",
        options_table(COLUMN_TYPE),
        *_sections(COLUMN_TYPE.fields),
        "## Filter expressions",
        _meanings("expression", expressions.LANGUAGE),
        "## Partition formats",
        _meanings("part", partition_format.FORMS),
        "## Formats of datetimes",
        _meanings("directive", dict(_directives())),
    )


def _sections(described: Mapping[str, ValueSchema]) -> Iterator[str]:
    """A table for each that is a mapping, and for those in it."""
    for name, schema in described.items():
        options = _options_of(schema)
        if isinstance(options, Fields) and options not in (COLUMNS.mapping, COLUMN_TYPE):
            yield f"### {name}"
            yield options_table(options)
            yield from _sections(options.fields)


def _options_of(schema: ValueSchema) -> ValueSchema:
    """The schema of a list's items, and that of the mapping among several alternatives."""
    match schema:
        case Described(schema=inner) | ListOf(item=inner) | Either(mapping=inner):
            return _options_of(inner)
    return schema


def _meanings(head: str, meanings: Mapping[str, str]) -> str:
    return table((head, ""), ((code(name), meaning) for name, meaning in meanings.items()))


def _directives() -> Iterator[tuple[str, str]]:
    for letter, (part, _) in DIRECTIVES.items():
        others = [code(f"%{other}") for other, same in SYNONYMS.items() if same == letter]
        yield f"%{letter}", part.replace("_", " ") + "".join(f", as {other}" for other in others)
    for short, long in SHORTHANDS.items():
        yield short, f"short for {code(long)}"
