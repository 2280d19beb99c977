"""`read_json_lines`: one JSON object per line, read by ranges of bytes."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import pyarrow as pa

from prefect_parallel.data.columns.kinds import INT64, to_double
from prefect_parallel.data.columns.row_batch import Column, RowBatch
from prefect_parallel.data.formats.json_rows import parse, parse_rows, read_rows
from prefect_parallel.data.formats.table_format import PREVIEWING, Facts, Preview, TableFormat
from prefect_parallel.data.formats.text_file import ENCODINGS, TextFile
from prefect_parallel.data.locations.datastores import Datastores
from prefect_parallel.data.mini_batch import File, Piece
from prefect_parallel.data.transformations.path_columns import put_around
from prefect_parallel.errors import UnreadableMiniBatch

# The kind of a column is that of its first value that is not null; others become null.
_KINDS: dict[type, str] = {
    bool: "boolean",
    int: "int",
    float: "float",
    str: "text",
    list: "list",
    dict: "object",
}
_ARROW_TYPES = {
    "boolean": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "number": pa.float64(),
    "text": pa.string(),
}
# Kinds of columns that have different kinds in different files: int and float, or others.
_NUMBER = "number"
_MIXED = "mixed"


class JsonLines(TableFormat):
    """Reads JSON lines.

    Facts: `kinds` by column, and `files`: for each previewed file, the columns whose kind differs
    from that in the table.
    """

    unit = "bytes"
    # An invalid line in the preview fails only its mini-batch.
    preview_options: ClassVar[dict[str, Any]] = {PREVIEWING: True, "invalid_lines": "drop"}

    def __init__(self, options: dict[str, Any], facts: Facts, datastores: Datastores) -> None:
        super().__init__(options, facts, datastores)
        self._previewing = options.get(PREVIEWING, False)
        self._encoding = ENCODINGS[options.get("encoding", "utf8")]
        self._drops_invalid = options.get("invalid_lines", "error") == "drop"

    def pieces(self, files: Iterable[File], amount: int) -> Iterator[Piece]:
        for file in files:
            if file.size == 0:
                continue
            if file.size is not None and file.size <= amount:
                yield Piece(file, 0, file.size)
                continue
            try:
                text = self._open(file)
            except UnreadableMiniBatch:
                yield Piece(file)
                continue
            with text:
                for start, stop in text.cut(text.begin, amount):
                    yield Piece(file, start, stop)

    def row_pieces(
        self, files: Iterable[File], wanted: Callable[[], int]
    ) -> Iterator[tuple[Piece, int | None]]:
        for file in files:
            try:
                text = self._open(file)
            except UnreadableMiniBatch:
                yield Piece(file), None
                continue
            with text:
                for start, stop, rows in text.cut_rows(text.begin, wanted):
                    yield Piece(file, start, stop), rows

    def _open(self, file: File) -> TextFile:
        return TextFile(file, self._encoding, self._datastores)

    def infer(
        self, files: Iterable[File], preview: Preview, transformed: Iterable[tuple[Piece, RowBatch]]
    ) -> Facts:
        by_file: dict[str, dict[str, str]] = {}
        names: dict[str, None] = {}
        for piece, batch in transformed:
            found = by_file.setdefault(piece.file.path, {})
            names.update(dict.fromkeys(batch.columns))
            for name, column in batch.columns.items():
                kind = _first_kind(column) if isinstance(column, list) else None
                if kind and name not in found:
                    found[name] = kind
        common: dict[str, str] = {}
        for found in by_file.values():
            for name, kind in found.items():
                common[name] = _common(common.get(name, kind), kind)
        others = {
            path: {name: kind for name, kind in found.items() if kind != common[name]}
            for path, found in by_file.items()
        }
        # In the order of first appearance, even if only as nulls.
        common = {name: common[name] for name in names if name in common}
        return {"kinds": common, "files": {path: kinds for path, kinds in others.items() if kinds}}

    def read(self, piece: Piece, path_columns: dict[str, Any]) -> RowBatch:
        data = self._data(piece)
        table = self._parse(data, piece)
        if table is not None and len(table):
            arrays = {name: table[name].combine_chunks() for name in table.column_names}
            return put_around(path_columns, RowBatch(arrays, len(table)))
        rows = self._rows(data, piece)
        names = dict.fromkeys(itertools.chain.from_iterable(rows))
        even = all(len(row) == len(names) for row in rows)
        columns: dict[str, Column] = {
            name: list(map(operator.itemgetter(name), rows))
            if even
            else [row.get(name) for row in rows]
            for name in names
        }
        return put_around(path_columns, RowBatch(columns, len(rows)))

    def _data(self, piece: Piece) -> bytes:
        """The lines of a piece in UTF-8."""
        with self._open(piece.file) as text:
            raw = text.lines(piece.start, piece.stop, whole=self._previewing)
            return text.to_utf8(raw, piece.start)

    def _parse(self, data: bytes, piece: Piece) -> pa.Table | None:
        """Parses quickly if all values have the inferred types."""
        kinds = self._kinds_in(piece)
        if not _ARROW_TYPES.keys() >= set(kinds.values()):
            return None
        types = {name: _ARROW_TYPES[kind] for name, kind in kinds.items()}
        return parse(data, types, frozenset(n for n, kind in kinds.items() if kind == "float"))

    def _rows(self, data: bytes, piece: Piece) -> list[dict[str, Any]]:
        parsed = parse_rows(data)
        if parsed is not None:
            return parsed
        rows: list[dict[str, Any]] = []
        for number, row in read_rows(data.decode()):
            if not isinstance(row, str):
                rows.append(row)
            elif not self._drops_invalid:
                raise ValueError(
                    f"line {number} from byte {piece.start} on {row}\n"
                    "    hint: `invalid_lines: drop` skips such lines"
                )
        return rows

    def _kinds_in(self, piece: Piece) -> dict[str, str]:
        kinds = dict(self._facts.get("kinds", {}))
        kinds.update(self._facts.get("files", {}).get(piece.file.path, {}))
        return kinds

    def finish(self, batch: RowBatch, piece: Piece) -> RowBatch:
        kinds = self._kinds_in(piece)
        finished: dict[str, Column] = {}
        lost: dict[str, int] = {}
        for name, column in batch.columns.items():
            if isinstance(column, list):
                known = kinds.get(name, _MIXED)
                kind = _first_kind(column) if known == _MIXED else known
                finished[name], lost[name] = _of_kind(column, kind)
        return batch.with_columns(finished).with_nulls(lost)

    def count(self, piece: Piece) -> int:
        return len(self._rows(self._data(piece), piece))


def _first_kind(column: list[Any]) -> str | None:
    first = next((value for value in column if value is not None), None)
    return None if first is None else _kind(first)


def _kind(value: Any) -> str:
    # JSON integers are unlimited, those of a column have 64 bits.
    return "float" if type(value) is int and value not in INT64 else _KINDS[type(value)]


def _common(one: str, other: str) -> str:
    if one == other:
        return one
    return _NUMBER if {one, other} <= {"int", "float", _NUMBER} else _MIXED


def _of_kind(column: list[Any], kind: str | None) -> tuple[Column, int]:
    """Sets values of other kinds to null, and counts them."""
    if kind is None:
        return pa.nulls(len(column)), 0
    if {_KINDS.get(type_, kind) for type_ in set(map(type, column))} == {kind}:
        if kind not in _ARROW_TYPES:
            return column, 0
        try:
            return pa.array(column, _ARROW_TYPES[kind]), 0
        except OverflowError:
            pass  # An integer exceeds 64 bits.
    fitting = {"int", "float"} if kind == _NUMBER else {kind}
    kept = [value if value is not None and _kind(value) in fitting else None for value in column]
    lost = kept.count(None) - column.count(None)
    if kind not in _ARROW_TYPES:
        return kept, lost
    if kind in ("float", _NUMBER):
        kept = [None if value is None else to_double(value) for value in kept]
    return pa.array(kept, _ARROW_TYPES[kind]), lost
