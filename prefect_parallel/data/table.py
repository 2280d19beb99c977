"""Reading mini-batches of a table."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from prefect_parallel.data import kinds
from prefect_parallel.data.block import Block, Column
from prefect_parallel.data.format import make_format
from prefect_parallel.data.mini_batch import MiniBatch, Piece
from prefect_parallel.data.reader import check_unchanged
from prefect_parallel.data.steps import PATH, Steps
from prefect_parallel.errors import UnreadableMiniBatch

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Schema:
    """The columns of all mini-batches, as planning saw them.

    Attributes:
        types: By name, in their order; None: Python objects of several kinds, or nested ones.
        nullable: Columns that hold nulls somewhere.
    """

    types: Mapping[str, pa.DataType | None]
    nullable: frozenset[str]

    def to_json(self) -> dict[str, Any]:
        fields = [pa.field(name, type_ or pa.null()) for name, type_ in self.types.items()]
        return {
            "arrow": base64.b64encode(pa.schema(fields).serialize()).decode(),
            "objects": [name for name, type_ in self.types.items() if type_ is None],
            "nullable": sorted(self.nullable),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Schema:
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(value["arrow"])))
        objects = set(value["objects"])
        types = {field.name: None if field.name in objects else field.type for field in schema}
        return cls(types, frozenset(value["nullable"]))

    @classmethod
    def of(cls, blocks: Iterable[Block]) -> Schema:
        """What blocks have in common: columns in the order of their first appearance."""
        types: dict[str, pa.DataType | None] = {}
        nullable: set[str] = set()
        rows = 0
        for block in blocks:
            for name, column in block.columns.items():
                type_ = column.type if isinstance(column, pa.Array) else None
                types[name] = _common(types[name], type_) if name in types else type_
                if kinds.count_nulls(column):
                    nullable.add(name)
                if rows and name not in types:
                    nullable.add(name)
            if block.rows:
                nullable |= types.keys() - block.columns.keys()
            rows += block.rows
        return cls(types, frozenset(nullable))

    def align(self, block: Block) -> Block:
        """The block with these columns in this order; others come last."""
        columns: dict[str, Column] = {}
        for name, type_ in self.types.items():
            column = block.columns.get(name)
            if column is None:
                column = pa.nulls(block.rows, type_)
            if type_ is None:
                column = _values(column)
            elif isinstance(column, pa.Array) and column.type != type_:
                column = _cast(column, type_)
            columns[name] = column
        return Block(
            {**columns, **{n: c for n, c in block.columns.items() if n not in columns}}, block.rows
        )


def _cast(column: pa.Array[Any], type_: pa.DataType) -> pa.Array[Any]:
    try:
        return column.cast(type_, safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # A file behind those that planning looked at, of another kind: as it is.
        return column


def _common(one: pa.DataType | None, other: pa.DataType | None) -> pa.DataType | None:
    """The type of a column that is of these types in different places."""
    if one is None or other is None:
        return None
    try:
        (field,) = pa.unify_schemas(
            [pa.schema([("", one)]), pa.schema([("", other)])], promote_options="permissive"
        )
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None
    return field.type


class TableReader:
    """Reads mini-batches of a table.

    A plan's `reader` has, for tables: `format` and `options` of the read transformation, `facts`
    of its format, `file_steps` and `row_steps` around it, and the `schema`.
    """

    def __init__(self, reader: dict[str, Any]) -> None:
        self.values_set_to_null: dict[str, int] = {}
        self.format = make_format(reader["format"], reader["options"], reader["facts"])
        self.steps = Steps(reader["row_steps"])
        self._path_columns = PathColumns(
            reader["file_steps"], reader["options"].get("include_path_column", False)
        )
        self._schema = Schema.from_json(reader["schema"]) if "schema" in reader else None

    def read(self, mini_batch: MiniBatch) -> pd.DataFrame:
        return self.to_pandas(self.block(mini_batch))

    def block(self, mini_batch: MiniBatch) -> Block:
        """The rows of a mini-batch, with the columns of the table."""
        misfits: Counter[str] = Counter()
        blocks = [self.piece(piece, misfits)[0] for piece in mini_batch.pieces]
        self.values_set_to_null = {name: count for name, count in misfits.items() if count}
        if self._schema is not None:
            blocks = [self._schema.align(block) for block in blocks]
        return blocks[0] if len(blocks) == 1 else join(blocks)

    def no_rows(self) -> Block:
        """The columns of the table, without a row."""
        empty = Block({}, 0)
        return self._schema.align(empty) if self._schema else empty

    def piece(self, piece: Piece, misfits: Counter[str]) -> tuple[Block, list[int]]:
        """The rows of a piece, and how many of its rows reached each counting step."""
        block, reached = self.stepped(piece, misfits)
        return self.finish(block, piece, misfits), reached

    def finish(self, block: Block, piece: Piece, misfits: Counter[str]) -> Block:
        """Gives each column one kind."""
        try:
            return self.format.finish(block, piece, misfits)
        except (ValueError, pa.ArrowException) as error:
            raise UnreadableMiniBatch(f"{piece.file.path}: {error}") from error

    def stepped(self, piece: Piece, misfits: Counter[str]) -> tuple[Block, list[int]]:
        """Like `piece`, before each column has one kind."""
        path = piece.file.path
        check_unchanged(piece.file)
        try:
            block = self.format.read(piece, self.path_columns(path), misfits)
            block, reached = self.steps.apply(block, piece.entered, misfits)
        except (ValueError, OSError, pa.ArrowException) as error:
            raise UnreadableMiniBatch(f"{path}: {error}") from error
        return block, reached

    def path_columns(self, path: str) -> dict[str, Any]:
        return self._path_columns.of(path)

    def to_pandas(self, block: Block) -> pd.DataFrame:
        """The rows as `run` gets them."""
        import pandas as pd

        arrays = {n: c for n, c in block.columns.items() if isinstance(c, pa.Array)}
        frame: pd.DataFrame = pa.table(arrays).to_pandas()
        if not arrays:
            frame = pd.DataFrame(index=pd.RangeIndex(block.rows))
        for position, (name, column) in enumerate(block.columns.items()):
            if not isinstance(column, pa.Array):
                values = pd.Series(column, dtype=object, index=frame.index)
                frame.insert(position, name, values)
        for name in self._schema.nullable if self._schema else ():
            if name in frame and frame[name].dtype.kind in "iu":
                frame[name] = frame[name].astype("float64")
            elif name in frame and frame[name].dtype.kind == "b":
                frame[name] = frame[name].astype(object)
        return frame


def nulls_to_objects(frame: pd.DataFrame) -> pd.DataFrame:
    """As the reference shows a whole table: a column without any value is one of objects."""
    for name in frame.columns:
        if len(frame) and frame[name].isna().all():
            frame[name] = frame[name].astype(object).where(frame[name].notna(), None)
    return frame


def join(blocks: Sequence[Block]) -> Block:
    """Blocks one after the other; a column that one lacks is null there."""
    schema = Schema.of(blocks)
    aligned = [schema.align(block) for block in blocks]
    columns: dict[str, Column] = {}
    for name, type_ in schema.types.items():
        parts = [block.columns[name] for block in aligned]
        if type_ is None:
            columns[name] = [value for part in parts for value in part]
        else:
            columns[name] = pa.concat_arrays(parts)
    return Block(columns, sum(block.rows for block in aligned))


def _values(column: Column) -> list[Any]:
    return column.to_pylist() if isinstance(column, pa.Array) else column


class PathColumns:
    """The columns that a file's path gives."""

    def __init__(self, file_steps: Iterable[tuple[str, Any]], include_path: bool) -> None:
        steps = [step for step in file_steps if step[0] not in _ROW_STEPS]
        self._steps = Steps(steps)
        self._include_path = include_path
        self._last: tuple[str, dict[str, Any]] = ("", {})

    @property
    def names(self) -> list[str]:
        return list(self.of("/"))

    def of(self, path: str) -> dict[str, Any]:
        """One value each; `Path` first, if wanted."""
        if self._last[0] != path:
            block, _ = self._steps.apply(path_block([path]), (), Counter())
            columns = {n: c for n, c in block.columns.items() if n != PATH or self._include_path}
            self._last = path, columns
        return self._last[1]


# What takes files away and gives them no columns.
_ROW_STEPS = ("filter", "skip", "take", "take_random_sample")


def path_block(paths: Sequence[str]) -> Block:
    """A list of files as a table."""
    return Block(
        {PATH: pa.array([path.replace("\\", "/") for path in paths], pa.string())}, len(paths)
    )
