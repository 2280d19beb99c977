"""`read_delta_lake`: the Parquet files of one version of a Delta table."""

from __future__ import annotations

import base64
import datetime
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from prefect_parallel.data.columns.row_batch import RowBatch
from prefect_parallel.data.formats.parquet import Parquet, simplified
from prefect_parallel.data.formats.table_format import Facts, Preview
from prefect_parallel.data.locations.datastores import Datastores
from prefect_parallel.data.locations.file_cache import copy_all
from prefect_parallel.data.locations.location import Location
from prefect_parallel.data.mini_batch import File, Piece
from prefect_parallel.data.mltable.mltable import MLTable
from prefect_parallel.errors import InvalidInput

# Later versions have deletion vectors and renamed columns, which Parquet files alone do not show.
_READER_VERSION = 1
_PARTITION = "partition."
_LOG = "_delta_log"


class Delta(Parquet):
    """Reads Delta tables.

    Facts, besides those of Parquet: `partitions`, an Arrow table in base64 with the path of each
    file and its values of the partition columns, which are not in the files.
    """

    def __init__(self, options: dict[str, Any], facts: Facts, datastores: Datastores) -> None:
        super().__init__(options, facts, datastores)
        self._version: int | None = options.get("version_as_of")
        self._time: str | None = options.get("timestamp_as_of")
        self._partitions = _from_text(facts["partitions"]) if "partitions" in facts else None
        self._row_of: dict[str, int] | None = None

    def sources(self, table: MLTable, files: Iterable[File]) -> Iterable[File]:
        if self._version is not None and self._time is not None:
            raise InvalidInput(
                f"{table.path}: read_delta_lake has version_as_of and timestamp_as_of: choose one"
            )
        tables = []
        for entry in table.entries:
            if entry.kind != "folder":
                raise InvalidInput(
                    f"{table.path}:{entry.line}: read_delta_lake needs folder: entries,"
                    f" not {entry.kind}:"
                )
            tables.append(self._load(table.entry_location(entry)))
        self._partitions = pa.concat_tables(tables, promote_options="permissive")
        paths = self._partitions["path"].to_pylist()
        return [Location(path, self._datastores).file() for path in paths]

    def infer(
        self, files: Iterable[File], preview: Preview, transformed: Iterable[tuple[Piece, RowBatch]]
    ) -> Facts:
        if self._partitions is None or len(self._partitions.column_names) == 1:
            return {}
        return {"partitions": _to_text(self._partitions)}

    def read(self, piece: Piece, path_columns: dict[str, Any]) -> RowBatch:
        batch = super().read(piece, path_columns)
        if self._partitions is None:
            return batch
        if self._row_of is None:
            self._row_of = {p: row for row, p in enumerate(self._partitions["path"].to_pylist())}
        row = self._row_of[piece.file.path]
        for name in self._partitions.column_names[1:]:
            column = pa.repeat(self._partitions[name][row], batch.rows)
            batch = batch.with_columns({name: column if self.keeps_types else simplified(column)})
        return batch

    def _load(self, location: Location) -> pa.Table:
        """The files of a table, sorted by path, with their values of partition columns."""
        if not location.is_remote:
            return self._read_log(location.path, location)
        with tempfile.TemporaryDirectory(prefix="prefect_parallel_") as copy:
            # The log, which is small, lists the files of the table.
            try:
                copy_all(location.join(_LOG), Path(copy, _LOG))
            except OSError as error:
                raise InvalidInput(
                    f"{location.path}: cannot be read as a Delta table: {error.strerror}"
                ) from error
            return self._read_log(copy, location)

    def _read_log(self, folder: str, location: Location) -> pa.Table:
        """The same, given the local folder with the log of the table."""
        shown = location.path
        try:
            import deltalake
            from deltalake.exceptions import DeltaError
        except ImportError as error:
            raise InvalidInput(
                f"{shown}: Delta tables need the package deltalake",
                hint="pip install 'prefect-parallel[delta]'",
            ) from error
        try:
            table = deltalake.DeltaTable(folder, version=self._version)
            if self._time is not None:
                _load_time(table, self._time)
        except (DeltaError, ValueError) as error:
            raise InvalidInput(f"{shown}: cannot be read as a Delta table: {error}") from error
        if table.protocol().min_reader_version > _READER_VERSION:
            raise InvalidInput(
                f"{shown}: the Delta table requires reader version"
                f" {table.protocol().min_reader_version}; supported is {_READER_VERSION}"
            )
        actions = pa.table(table.get_add_actions(flatten=True))
        paths = [location.join(unquote(path)).path for path in actions["path"].to_pylist()]
        partitions = [name for name in actions.column_names if name.startswith(_PARTITION)]
        columns = {"path": pa.array(paths, pa.string())}
        columns |= {name.removeprefix(_PARTITION): actions[name] for name in partitions}
        return pa.table(columns).sort_by("path")


def _load_time(table: Any, text: str) -> None:
    """Loads the version that was current at a time; the first version if it is earlier."""
    time = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    if time.tzinfo is None:
        raise ValueError(f"timestamp_as_of {text!r} needs a time zone, e.g. Z")
    history = sorted(table.history(), key=lambda commit: commit["version"])
    limit = time.timestamp() * 1000
    versions = [commit["version"] for commit in history if commit["timestamp"] <= limit]
    table.load_as_version(versions[-1] if versions else history[0]["version"])


def _to_text(table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return base64.b64encode(sink.getvalue()).decode()


def _from_text(text: str) -> pa.Table:
    return pa.ipc.open_stream(base64.b64decode(text)).read_all()
