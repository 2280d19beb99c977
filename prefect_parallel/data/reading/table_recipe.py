"""What a process needs to know to read any mini-batch of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prefect_parallel.data.columns.table_schema import TableSchema
from prefect_parallel.data.mltable.mltable import TransformationSpec


@dataclass(frozen=True)
class TableRecipe:
    """How to read a table.

    Attributes:
        format: Name of the read transformation.
        facts: Facts about the whole table that `TableFormat.infer` found.
        schema: Columns of the table; None while they are inferred.
    """

    format: str
    options: dict[str, Any]
    facts: dict[str, Any]
    file_transformations: tuple[TransformationSpec, ...] = ()
    row_transformations: tuple[TransformationSpec, ...] = ()
    schema: TableSchema | None = None

    @property
    def includes_path(self) -> bool:
        """Whether the table has the column `Path`."""
        return bool(self.options.get("include_path_column"))

    def to_json(self) -> dict[str, Any]:
        """JSON object for `Plan.reader`."""
        assert self.schema is not None
        return {
            "kind": "table",
            "format": self.format,
            "options": self.options,
            "facts": self.facts,
            "file_transformations": [list(each) for each in self.file_transformations],
            "row_transformations": [list(each) for each in self.row_transformations],
            "schema": self.schema.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TableRecipe:
        """The inverse of `to_json`."""
        return cls(
            value["format"],
            value["options"],
            value["facts"],
            tuple((name, options) for name, options in value["file_transformations"]),
            tuple((name, options) for name, options in value["row_transformations"]),
            TableSchema.from_json(value["schema"]),
        )
