"""Groups a table, which may be larger than memory, by the values of its columns.

Rows are read once, in order, and written to buckets, all rows of a key to the same one; then each
bucket is sorted by key. A mini-batch is a range of rows of a bucket.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import time
import zlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from prefect_parallel.data.columns.row_batch import RowBatch
from prefect_parallel.data.columns.table_schema import join
from prefect_parallel.data.formats.grouped import from_arrow, to_arrow
from prefect_parallel.data.formats.table_format import TableFormat
from prefect_parallel.data.mini_batch import File, MiniBatch, Piece
from prefect_parallel.data.planning.by_key import Key, key_value
from prefect_parallel.data.planning.table_plan import TablePlan
from prefect_parallel.data.reading.table_reader import TableReader
from prefect_parallel.data.reading.table_recipe import TableRecipe
from prefect_parallel.data.transformations.transforms import HIDDEN
from prefect_parallel.errors import counted

# The size of the pieces that are read, and the part of the input that a bucket should hold: it is
# sorted in memory.
_READ_BYTES = 8 * 1024 * 1024
_BUCKET_BYTES = 64 * 1024 * 1024
_MOST_BUCKETS = 256

_INDEX = "index.jsonl"
_NOTES = "notes.json"
# The column with the position of a row in the table, in a bucket.
_NUMBER = HIDDEN + "number"


@dataclass(frozen=True)
class _Group:
    """The rows of one key in a bucket, and the position of the first one in the table."""

    first: int
    key: Key
    bucket: int
    start: int
    stop: int


@dataclass(frozen=True)
class Grouping:
    """A table in a folder, sorted by key.

    Attributes:
        recipe: How the table is read.
        notes: Remarks about the cost, and about values that did not fit their column.
    """

    folder: Path
    keys: tuple[str, ...]
    recipe: TableRecipe
    notes: tuple[str, ...]

    @classmethod
    def make(cls, plan: TablePlan, keys: tuple[str, ...], work_folder: Path) -> Grouping:
        """Groups a table by columns, unless the folder has the result; all readers must see it.

        Raises:
            UnreadableMiniBatch: A part of the table cannot be read.
        """
        pieces = list(plan.pieces(_READ_BYTES))
        folder = work_folder / f"by_key_{_digest(plan.recipe, keys, pieces)}"
        started = time.monotonic()
        if not (folder / _INDEX).exists():
            _group(plan, keys, pieces, folder)
        size = sum(piece.file.size or 0 for piece in {p.file.path: p for p in pieces}.values())
        cost = (
            f"grouping by {', '.join(keys)} read {size / 1e6:.1f} MB"
            f" in {time.monotonic() - started:.1f} s"
        )
        facts = {name: fact for name, fact in plan.recipe.facts.items() if name == "pandas"}
        recipe = TableRecipe("grouped", {}, facts, schema=plan.recipe.schema)
        notes: list[str] = json.loads((folder / _NOTES).read_text())
        return cls(folder, keys, recipe, (cost, *notes))

    def mini_batches(self) -> Iterator[MiniBatch]:
        files: dict[int, File] = {}
        with (self.folder / _INDEX).open() as lines:
            for index, line in enumerate(lines):
                bucket, start, stop, *key = json.loads(line)
                if bucket not in files:
                    path = str(_bucket_path(self.folder, bucket))
                    # Buckets of the same data are equal, whenever they were written.
                    files[bucket] = File(path, os.stat(path).st_size, None)  # noqa: PTH116
                piece = Piece(files[bucket], start, stop)
                yield MiniBatch(index, (piece,), "rows", key_value(self.keys, tuple(key)))


def _digest(recipe: TableRecipe, keys: Sequence[str], pieces: Iterable[Piece]) -> str:
    """A hash of everything that determines a grouping."""
    hash_ = hashlib.sha256(json.dumps([recipe.to_json(), keys], sort_keys=True).encode())
    for piece in pieces:
        hash_.update(json.dumps(piece.to_json()).encode())
    return hash_.hexdigest()[:16]


def _bucket_path(folder: Path, bucket: int) -> Path:
    return folder / f"{bucket:03}.arrow"


def _group(plan: TablePlan, keys: Sequence[str], pieces: Sequence[Piece], folder: Path) -> None:
    """Writes the folder under a temporary name and renames it when it is complete."""
    making = folder.with_name(folder.name + f".{os.getpid()}.tmp")
    making.mkdir(parents=True)
    try:
        size = sum((p.stop or p.file.size or 0) - p.start for p in pieces)
        if plan.unit == "rows":
            size = sum({p.file.path: p.file.size or 0 for p in pieces}.values())
        buckets = min(_MOST_BUCKETS, 1 + size // _BUCKET_BYTES)
        table = TableReader(plan.recipe, plan.datastores)
        notes = _scatter(plan, table, keys, pieces, making, buckets)
        (making / _NOTES).write_text(json.dumps(notes))
        groups: list[_Group] = []
        for bucket in range(buckets):
            groups.extend(_sort_bucket(making, bucket, keys, table.format))
        groups.sort(key=lambda group: group.first)
        with (making / _INDEX).open("w") as index:
            for group in groups:
                index.write(json.dumps([group.bucket, group.start, group.stop, *group.key]) + "\n")
        making.replace(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _scatter(
    plan: TablePlan,
    table: TableReader,
    keys: Sequence[str],
    pieces: Iterable[Piece],
    folder: Path,
    buckets: int,
) -> list[str]:
    """Writes each row to the bucket of its key; returns notes about values and rows."""
    lost: Counter[str] = Counter()
    uneven_rows, first_uneven_row = 0, ""
    schema = plan.recipe.schema
    assert schema is not None
    number = 0
    with ExitStack() as stack:
        files: dict[int, BinaryIO] = {}
        for batch in _read_ahead(table, pieces):
            batch = schema.align(batch)
            lost += batch.values_set_to_null
            uneven_rows += batch.uneven_rows
            first_uneven_row = first_uneven_row or batch.first_uneven_row
            numbers = pa.array(np.arange(number, number + batch.rows))
            number += batch.rows
            found, key_of_row = _keys(batch, keys, table.format)
            bucket_of_row = np.array([_bucket(key, buckets) for key in found], int)[key_of_row]
            batch = batch.with_columns({_NUMBER: numbers})
            for bucket in np.flatnonzero(np.bincount(bucket_of_row)).tolist():
                if bucket not in files:
                    raw = _bucket_path(folder, bucket).with_suffix(".raw")
                    files[bucket] = stack.enter_context(raw.open("wb"))
                # A stream of its own, because its columns may differ from those of others.
                arrow = to_arrow(batch.where(pa.array(bucket_of_row == bucket)))
                with pa.ipc.new_stream(files[bucket], arrow.schema) as stream:
                    stream.write_table(arrow)
    notes = [
        f"column {name}: {counted(count, 'value')} that did not fit its type became null"
        for name, count in lost.items()
    ]
    if uneven_rows:
        notes.append(
            f"{counted(uneven_rows, 'row')} with fewer or more cells than the header,"
            f" the first: {first_uneven_row}"
        )
    return notes


def _read_ahead(table: TableReader, pieces: Iterable[Piece]) -> Iterator[RowBatch]:
    """Reads each piece while the caller works on the rows of the one before."""
    with ThreadPoolExecutor(1) as thread:
        reading: deque[Future[RowBatch]] = deque()
        for piece in pieces:
            reading.append(thread.submit(table.piece, piece))
            if len(reading) > 1:
                yield reading.popleft().result()
        while reading:
            yield reading.popleft().result()


def _keys(
    batch: RowBatch, names: Sequence[str], format_: TableFormat
) -> tuple[list[Key], np.ndarray]:
    """The distinct keys of some rows, and for each row the index of its key."""
    # One column after the other, so that the codes of rows stay below their number.
    keys: list[Key] = [()]
    codes = pa.array(np.zeros(batch.rows, np.int64)).dictionary_encode()
    for name in names:
        column = format_.key_texts(name, batch.columns[name])
        values = column.dictionary_encode(null_encoding="encode")
        texts, width = values.dictionary.to_pylist(), len(values.dictionary)
        pairs = codes.indices.to_numpy().astype(np.int64) * width + values.indices.to_numpy()
        codes = pa.array(pairs).dictionary_encode()
        found = (divmod(pair, width) for pair in codes.dictionary.to_pylist())
        keys = [(*keys[before], texts[at]) for before, at in found]
    # A small type, which sorts fast.
    return keys, codes.indices.to_numpy().astype(np.min_scalar_type(len(keys)))


@functools.lru_cache(maxsize=2**16)
def _bucket(key: Key, buckets: int) -> int:
    return zlib.crc32(json.dumps(key).encode()) % buckets


def _sort_bucket(
    folder: Path, bucket: int, keys: Sequence[str], format_: TableFormat
) -> Iterator[_Group]:
    """Sorts a bucket by key, and yields the range of rows of each key."""
    path = _bucket_path(folder, bucket)
    raw = path.with_suffix(".raw")
    if not raw.exists():
        return
    batch = join(list(_parts(raw)))
    raw.unlink()
    found, key_of_row = _keys(batch, keys, format_)
    batch = batch.take(pa.array(np.argsort(key_of_row, kind="stable")))
    numbers: Any = batch.columns[_NUMBER]
    arrow = to_arrow(batch.select(name for name in batch.columns if name != _NUMBER))
    with pa.ipc.new_file(str(path), arrow.schema) as file:
        file.write_table(arrow)
    start = 0
    for key, rows in zip(found, np.bincount(key_of_row).tolist(), strict=True):
        yield _Group(numbers[start].as_py(), key, bucket, start, start + rows)
        start += rows


def _parts(raw: Path) -> Iterator[RowBatch]:
    size = raw.stat().st_size
    with raw.open("rb") as file:
        while file.tell() < size:
            yield from_arrow(pa.ipc.open_stream(file).read_all())
