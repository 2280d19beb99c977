"""`read_json_lines`: one JSON object per line, read by ranges of bytes."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import pyarrow as pa

from prefect_parallel.data.columns.kinds import may_be_rounded
from prefect_parallel.data.columns.row_batch import Column, RowBatch
from prefect_parallel.data.formats.json_kinds import (
    ARROW_TYPES,
    MIXED,
    NUMBER,
    common,
    exact,
    first_kind,
    of_kind,
    widened,
)
from prefect_parallel.data.formats.json_rows import has_whole, parse, parse_rows, read_rows
from prefect_parallel.data.formats.table_format import PREVIEWING, Facts, Preview, TableFormat
from prefect_parallel.data.formats.text_file import ENCODINGS, TextFile
from prefect_parallel.data.locations.datastores import Datastores
from prefect_parallel.data.mini_batch import File, Piece
from prefect_parallel.data.transformations.path_columns import put_around
from prefect_parallel.errors import UnreadableMiniBatch


class JsonLines(TableFormat):
    """Reads JSON lines.

    The kind of a column is that of its first value that is not null; others become null. With
    `keep_values`, it is one that all values fit: at worst, they are Python objects.

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
        self._keeps = options.get("keep_values", False)
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
        if self._keeps:
            return {"kinds": _widest(batch for _, batch in transformed)}
        by_file: dict[str, dict[str, str]] = {}
        names: dict[str, None] = {}
        for piece, batch in transformed:
            found = by_file.setdefault(piece.file.path, {})
            names.update(dict.fromkeys(batch.columns))
            for name, column in batch.columns.items():
                kind = first_kind(column) if isinstance(column, list) else None
                if kind and name not in found:
                    found[name] = kind
        in_table: dict[str, str] = {}
        for found in by_file.values():
            for name, kind in found.items():
                in_table[name] = common(in_table.get(name, kind), kind)
        others = {
            path: {name: kind for name, kind in found.items() if kind != in_table[name]}
            for path, found in by_file.items()
        }
        # In the order of first appearance, even if only as nulls.
        in_table = {name: in_table[name] for name in names if name in in_table}
        return {
            "kinds": in_table,
            "files": {path: kinds for path, kinds in others.items() if kinds},
        }

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
        if not ARROW_TYPES.keys() >= set(kinds.values()):
            return None
        table = parse(data, {name: ARROW_TYPES[kind] for name, kind in kinds.items()})
        # Arrow also converts an integer to a float.
        floats, differs = (NUMBER, may_be_rounded) if self._keeps else ("float", has_whole)
        if table is None or any(differs(table[n]) for n, kind in kinds.items() if kind == floats):
            return None
        return table

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
            if not isinstance(column, list):
                continue
            if self._keeps:
                finished[name] = exact(column, kinds.get(name))
            else:
                known = kinds.get(name, MIXED)
                kind = first_kind(column) if known == MIXED else known
                finished[name], lost[name] = of_kind(column, kind)
        return batch.with_columns(finished).with_nulls(lost)

    def count(self, piece: Piece) -> int:
        return len(self._rows(self._data(piece), piece))


def _widest(batches: Iterable[RowBatch]) -> dict[str, str]:
    """The kinds that all values of these batches fit, by column in order of first appearance."""
    kinds: dict[str, str | None] = {}
    for batch in batches:
        for name, column in batch.columns.items():
            values = column if isinstance(column, list) else []
            kinds[name] = widened(kinds.get(name), values)
    return {name: kind for name, kind in kinds.items() if kind is not None}
