"""`read_delimited`: CSV and similar text, read by ranges of bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

import pyarrow as pa

from prefect_parallel.data.columns import kinds
from prefect_parallel.data.columns.kinds import Kind
from prefect_parallel.data.columns.row_batch import Column, RowBatch
from prefect_parallel.data.columns.texts import texts_of, texts_of_kind
from prefect_parallel.data.formats.delimited_text import (
    Dialect,
    TextColumns,
    UnclosedQuote,
)
from prefect_parallel.data.formats.header import clean_names, extend_names
from prefect_parallel.data.formats.record_file import RecordFile
from prefect_parallel.data.formats.sample import Sample
from prefect_parallel.data.formats.table_format import PREVIEWING, Facts, Preview, TableFormat
from prefect_parallel.data.formats.text_file import ENCODINGS
from prefect_parallel.data.locations.datastores import Datastores
from prefect_parallel.data.mini_batch import File, Piece
from prefect_parallel.data.transformations.convert import Conversion
from prefect_parallel.data.transformations.path_columns import put_in_front
from prefect_parallel.data.transformations.transforms import PATH
from prefect_parallel.errors import UnreadableMiniBatch

_DEFAULT_SAMPLE = 200


class Delimited(TableFormat):
    """Reads delimited text.

    Facts: `header`, the names in the header of the first file; `width`, the number of cells per
    row; `kinds` by column.
    """

    unit = "bytes"
    preview_options: ClassVar[dict[str, Any]] = {PREVIEWING: True}

    def __init__(self, options: dict[str, Any], facts: Facts, datastores: Datastores) -> None:
        super().__init__(options, facts, datastores)
        self._previewing = options.get(PREVIEWING, False)
        self._encoding = ENCODINGS[options.get("encoding", "utf8")]
        inference = options.get("infer_column_types", True)
        self._infers = inference is not False
        self._inference = inference if isinstance(inference, dict) else {}
        self._keeps = self._inference.get("keep_values", False)
        self._dialect = Dialect(
            # Azure's mltable 1.7 allows two characters, and splits at the first one.
            options.get("delimiter", ",")[0],
            options.get("support_multi_line", False),
            "" if options.get("empty_as_string") else None,
            kinds.PANDAS_BOOLEANS if self._keeps else kinds.BOOLEANS,
        )
        self._header = options.get("header", "all_files_same_headers")
        self._kinds: dict[str, Kind] = facts.get("kinds", {})
        self._conversions = {
            name: Conversion(kind["type"])
            for name, kind in self._kinds.items()
            if kind["kind"] == "override"
        }
        self._last_header: tuple[str, list[str]] = ("", [])

    def pieces(self, files: Iterable[File], amount: int) -> Iterator[Piece]:
        for file, text, begin in self._opened(files):
            for start, stop in text.cut(begin, amount) if text else [(0, None)]:
                yield Piece(file, start, stop)

    def row_pieces(
        self, files: Iterable[File], wanted: Callable[[], int]
    ) -> Iterator[tuple[Piece, int | None]]:
        for file, text, begin in self._opened(files):
            for start, stop, rows in text.cut_rows(begin, wanted) if text else [(0, None, None)]:
                yield Piece(file, start, stop), rows

    def _opened(self, files: Iterable[File]) -> Iterator[tuple[File, RecordFile | None, int]]:
        """Opens the files that are not empty, one at a time.

        Yields:
            The file; its records, None if they cannot be read; the offset after its header.
        """
        has_header = self._header.startswith("all_files")
        first = self._header == "from_first_file"
        for file in files:
            if file.size == 0:
                continue
            reads_header, first = has_header or first, False
            try:
                with self._open(file) as opened:
                    begin = opened.begin
                    if reads_header:
                        _, begin = opened.first_record()
                    yield file, opened, begin
            except UnreadableMiniBatch:
                yield file, None, 0

    def _names_of(self, file: File, lead: int) -> list[str]:
        """The names of a file's columns, from its header, behind `lead` columns from its path."""
        if self._header != "all_files_different_headers":
            header: list[str] = self._facts["header"]
            return header
        if self._last_header[0] != file.path:
            with self._open(file) as opened:
                self._last_header = file.path, clean_names(opened.first_row(), lead)
        return self._last_header[1]

    def _open(self, file: File) -> RecordFile:
        return RecordFile(file, self._encoding, self._datastores, self._dialect)

    def infer(
        self, files: Iterable[File], preview: Preview, transformed: Iterable[tuple[Piece, RowBatch]]
    ) -> Facts:
        lead = len(preview.path_columns("/"))
        self._facts = {"header": self._first_header(files, lead)}
        sample = Sample(self._inference.get("sample_size", _DEFAULT_SAMPLE), exact=self._keeps)
        unreadable: list[UnreadableMiniBatch] = []
        width = 0
        for piece in preview.until(lambda: sample.full or bool(unreadable)):
            try:
                names, columns = self._text_columns(piece, lead)
            except UnreadableMiniBatch as error:
                unreadable.append(error)
                continue
            width = max(width, len(columns))
            path_columns = preview.path_columns(piece.file.path)
            sample.add(path_columns, dict(zip(names, columns, strict=True)))
        if unreadable and not sample.columns:
            raise unreadable[0]
        if not preview.complete:
            # Columns without values in the preview may have some later.
            width = max(width, len(self._facts["header"]))
            sample.expect(self._facts["header"])
            if self._header == "all_files_different_headers":
                for file in files:
                    sample.expect(self._names_of(file, lead) if file.size else [])
        if self._infers:
            _check_partition_format(files, preview)
        found = sample.kinds(self._infers, preview.complete, self._overrides(sample.columns))
        return {**self._facts, "width": width, "kinds": found}

    def _overrides(self, columns: Iterable[str]) -> dict[str, Kind]:
        known = list(columns)
        overrides: dict[str, Kind] = {}
        for entry in self._inference.get("column_type_overrides", []):
            for name in entry["columns"]:
                if known and name not in known:
                    raise ValueError(
                        f"column_type_overrides names {name!r}, which is not a column;"
                        f" the columns are {', '.join(known)}"
                    )
                if name in overrides:
                    raise ValueError(f"column_type_overrides names {name!r} twice")
                Conversion(entry["column_type"])
                overrides[name] = {"kind": "override", "type": entry["column_type"]}
        return overrides

    def _first_header(self, files: Iterable[File], lead: int) -> list[str]:
        if self._header in ("no_header", "all_files_different_headers"):
            return []
        first = next((file for file in files if file.size != 0), None)
        if first is None:
            return []
        with self._open(first) as opened:
            return clean_names(opened.first_row(), lead)

    def _data(self, piece: Piece) -> bytes:
        """The records of a piece in UTF-8.

        Raises:
            UnreadableMiniBatch: The file cannot be read, or could not when it was planned:
                where its header ends is unknown.
        """
        with self._open(piece.file) as file:
            if piece.stop is None:
                file.first_record()  # Raises the cause, if it is still there.
                raise UnreadableMiniBatch(
                    f"{file.path}: could not be read when the mini-batches were planned",
                    hint="resume the run, which plans them again",
                )
            return file.records(piece.start, piece.stop, whole=self._previewing)

    def _parse(self, piece: Piece, data: bytes, width: int = 0) -> TextColumns:
        """Parses the records of a piece to text."""
        with self._unclosed_quotes_of(piece):
            return self._dialect.columns(data, width)

    @contextmanager
    def _unclosed_quotes_of(self, piece: Piece) -> Iterator[None]:
        """Names the file and the line of a quote that is never closed."""
        try:
            yield
        except UnclosedQuote as error:
            with self._open(piece.file) as file:
                raise file.unclosed_quote(piece.start, piece.stop) from error

    def _text_columns(self, piece: Piece, lead: int) -> tuple[list[str], list[pa.Array[Any]]]:
        columns = self._parse(piece, self._data(piece)).columns
        return extend_names(self._names_of(piece.file, lead), len(columns)), columns

    def read(self, piece: Piece, path_columns: dict[str, Any]) -> RowBatch:
        data = self._data(piece)
        header = self._names_of(piece.file, len(path_columns))
        different = self._header == "all_files_different_headers"
        width = len(header) if different else self._facts["width"]
        names = extend_names(header, width)
        table = self._by_arrow(data, names)
        wanted = len(header) or width
        if table is not None:
            uneven = 0 if width == wanted else len(table)
            columns_ = [table[name].combine_chunks() for name in names]
            parsed = TextColumns(columns_, uneven, len(data) - len(data.lstrip(b"\n")))
        else:
            parsed = self._parse(piece, data, wanted)
            names = extend_names(header, len(parsed.columns))
        columns = dict(zip(names, parsed.columns, strict=True))
        rows = len(parsed.columns[0]) if columns else 0
        if not rows:
            columns = {}
        converted = {name: self._convert(name, value) for name, value in columns.items()}
        batch = RowBatch({name: column for name, (column, _) in converted.items()}, rows)
        batch = batch.with_nulls({name: lost for name, (_, lost) in converted.items()})
        if parsed.uneven_rows:
            with self._open(piece.file) as file:
                place = file.place_of_line(piece.start, parsed.first_uneven_line)
            batch = replace(batch, uneven_rows=parsed.uneven_rows, first_uneven_row=place)
        of_path = {
            name: value if name == PATH else self._convert(name, value)[0]
            for name, value in path_columns.items()
        }
        return put_in_front(of_path, batch)

    def _kind_of(self, name: str) -> Kind:
        return self._kinds.get(name, kinds.TEXT)

    def _by_arrow(self, data: bytes, names: list[str]) -> pa.Table | None:
        """Parses columns quickly to the types of their kinds, or to text; None: it cannot."""
        types = {name: self._parsed_type(name) for name in names}
        table = self._dialect.parse(data, types)
        if table is None or not self._keeps:
            return table
        large = [
            name
            for name in names
            if pa.types.is_floating(types[name]) and kinds.may_be_rounded(table[name])
        ]
        if large:
            texts = self._dialect.parse(data, dict.fromkeys(names, pa.string()))
            if texts is None:
                return None
            for name in large:
                if kinds.has_long_integer(texts[name]):
                    table = table.set_column(names.index(name), name, texts[name])
        return table

    def _parsed_type(self, name: str) -> pa.DataType:
        """The type that Arrow can parse a column to directly."""
        kind = self._kind_of(name)["kind"]
        return kinds.ARROW_TYPES[kind] if kind in ("int", "float", "boolean") else pa.string()

    def _convert(self, name: str, values: pa.Array[Any]) -> tuple[Column, int]:
        """Converts a column to its kind, and counts the values that became null."""
        if not pa.types.is_string(values.type):
            return values, 0
        if name in self._conversions:
            return self._conversions[name].convert(values)
        kind = self._kind_of(name)
        for each in (kind, *kinds.wider(kind)) if self._keeps else (kind,):
            made = kinds.from_text(values, each, exact=self._keeps)
            lost = made.null_count - values.null_count
            if not lost:
                break
        return made, lost

    def key_texts(self, name: str, column: Column) -> pa.Array[Any]:
        is_kept = self._keeps and name not in self._conversions
        return texts_of_kind(column, self._kind_of(name)) if is_kept else texts_of(column)

    def count(self, piece: Piece) -> int:
        data = self._data(piece)
        with self._unclosed_quotes_of(piece):
            return self._dialect.count(data)


def _check_partition_format(files: Iterable[File], preview: Preview) -> None:
    """Refuses a partition format that matches no path, as Azure's mltable 1.7 does."""
    path = None
    for path in (file.path for file in files):
        values = {n: v for n, v in preview.path_columns(path).items() if n != PATH}
        if not values or any(value.null_count == 0 for value in values.values()):
            return
    if path is not None:
        raise ValueError(f"the partition format matches no path, e.g. {path}")
