"""`read_delta_lake`: the Parquet files of one version of a Delta table."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable
from typing import Any

from prefect_parallel.data.format import Facts
from prefect_parallel.data.mini_batch import File
from prefect_parallel.data.mltable import MLTable
from prefect_parallel.data.readers.parquet import Parquet
from prefect_parallel.errors import InvalidInput

# Deletion vectors and renamed columns need more than the Parquet files.
_READER_VERSION = 1


class Delta(Parquet):
    """Reads Delta tables."""

    def __init__(self, options: dict[str, Any], facts: Facts) -> None:
        super().__init__(options, facts)
        self._version: int | None = options.get("version_as_of")
        self._time: str | None = options.get("timestamp_as_of")

    def sources(self, table: MLTable, files: Iterable[File]) -> Iterable[File]:
        if self._version is not None and self._time is not None:
            raise InvalidInput(
                f"{table.path}: read_delta_lake has version_as_of and timestamp_as_of: choose one"
            )
        found: list[File] = []
        for entry in table.entries:
            if entry.kind != "folder":
                raise InvalidInput(
                    f"{table.path}:{entry.line}: read_delta_lake reads tables, each a folder:,"
                    f" not a {entry.kind}:"
                )
            found.extend(self._files(table.entry_location(entry).path))
        return found

    def _files(self, folder: str) -> list[File]:
        try:
            import deltalake
            from deltalake.exceptions import DeltaError
        except ImportError as error:
            raise InvalidInput(
                f"{folder}: Delta tables need the package deltalake\n"
                "    hint: pip install 'prefect-parallel[delta]'"
            ) from error
        try:
            table = deltalake.DeltaTable(folder, version=self._version)
            if self._time is not None:
                self._load_time(table)
        except (DeltaError, ValueError) as error:
            raise InvalidInput(f"{folder}: cannot be read as a Delta table: {error}") from error
        if table.protocol().min_reader_version > _READER_VERSION:
            raise InvalidInput(
                f"{folder}: the Delta table asks for a reader of version"
                f" {table.protocol().min_reader_version}; this one is {_READER_VERSION}"
            )
        paths = sorted(table.file_uris(), key=os.fsencode)
        return [File.at(path.removeprefix("file://")) for path in paths]

    def _load_time(self, table: Any) -> None:
        """Loads the version of a time: the first if that is later, the last if it is earlier."""
        assert self._time is not None
        time = datetime.datetime.fromisoformat(self._time.replace("Z", "+00:00"))
        if time.tzinfo is None:
            raise ValueError(f"timestamp_as_of {self._time!r} needs a time zone, as Z")
        history = sorted(table.history(), key=lambda commit: commit["version"])
        versions = [
            commit["version"]
            for commit in history
            if commit["timestamp"] <= time.timestamp() * 1000
        ]
        table.load_as_version(versions[-1] if versions else history[0]["version"])
