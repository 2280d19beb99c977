"""From an input to the descriptors of its mini-batches."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from prefect_parallel.data.listing import find_files
from prefect_parallel.data.location import Location
from prefect_parallel.data.mini_batch import File, MiniBatch, Piece
from prefect_parallel.data.mltable import FILE_NAME, MLTable
from prefect_parallel.data.split import ByKeys, BySize
from prefect_parallel.errors import EmptyInput, InvalidInput


class _Stream:
    """What a function yields, from the start each time it is iterated."""

    def __init__(self, make: Callable[[], Iterator[MiniBatch]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[MiniBatch]:
        return self._make()


@dataclass(frozen=True)
class Plan:
    """How an input is split.

    Attributes:
        kind: What a mini-batch is to `run`: a `table` (a DataFrame) or `files` (paths).
        reader: JSON object for `open_reader`: what a process needs once to read any mini-batch.
        mini_batches: The descriptors, made while they are iterated; again gives the same again.
        notes: What planning has to tell, one sentence each.
    """

    kind: Literal["table", "files"]
    reader: dict[str, Any]
    mini_batches: Iterable[MiniBatch]
    notes: tuple[str, ...] = ()


def plan(location: str, *, type: str, mode: str | None, split: BySize | ByKeys) -> Plan:  # noqa: A002
    """Plans the mini-batches of a major input.

    Args:
        location: Local path or file:// URL.
        type: `uri_folder`, `uri_file` or `mltable`.
        mode: As the pipeline has it; all modes read local data where it lies.
        split: What one mini-batch holds.

    Raises:
        InvalidInput: The input cannot be split.
        EmptyInput: It has nothing to split.
        InvalidMLTable: Its MLTable file has mistakes.
    """
    made = make_plan(location, type=type, split=split)
    if next(iter(made.mini_batches), None) is None:
        raise EmptyInput(f"{location}: the input is empty: there is nothing to split")
    return made


def make_plan(location: str, *, type: str, split: BySize | ByKeys) -> Plan:  # noqa: A002
    """Like `plan`, but an empty input is a plan without mini-batches."""
    place = Location.parse(location)
    if type == "mltable":
        table = MLTable.load(place)
        if table.read_step:
            return _plan_table(table, split)
        return _plan_files(location, _listed(table), split)
    if not place.exists():
        raise InvalidInput(f"{place.path}: no such file or folder")
    if type == "uri_file":
        if place.is_folder():
            raise InvalidInput(f"{place.path}: is a folder\n    hint: its type is uri_folder")
        return _plan_files(location, lambda: iter([File.at(place.path)]), split)
    if not place.is_folder():
        raise InvalidInput(f"{place.path}: is a file\n    hint: its type is uri_file")
    return _plan_files(location, lambda: _visible(place.path), split)


def _listed(table: MLTable) -> Callable[[], Iterator[File]]:
    if not table.steps:
        return table.files
    from prefect_parallel.data.file_list import FileList

    files = FileList(table)
    return lambda: iter(files)


def _visible(folder: str) -> Iterator[File]:
    """Files of a folder, without hidden ones and without its MLTable file."""
    for file in find_files(folder):
        inside = file.path[len(folder) :].lstrip("/")
        if inside != FILE_NAME and not any(part.startswith(".") for part in inside.split("/")):
            yield file


def _plan_files(name: str, files: Callable[[], Iterator[File]], split: BySize | ByKeys) -> Plan:
    if isinstance(split, ByKeys):
        raise unknown_key(name, split.keys[0], [])
    count = split.files

    def mini_batches() -> Iterator[MiniBatch]:
        source = files()
        for index in itertools.count():
            group = tuple(Piece(file) for file in itertools.islice(source, count))
            if not group:
                return
            yield MiniBatch(index, group)

    return Plan("files", {"kind": "files"}, _Stream(mini_batches))


def unknown_key(name: str, key: str, columns: list[str]) -> InvalidInput:
    near = difflib.get_close_matches(key, columns, n=1)
    text = f"{name}: partition key {key!r} is not a column of the input"
    text += f"\n    allowed: {', '.join(columns) or 'none: its files give no columns'}"
    if near:
        text += f"\n    hint: did you mean {near[0]}?"
    return InvalidInput(text)


def _plan_table(table: MLTable, split: BySize | ByKeys) -> Plan:
    from prefect_parallel.data.table_plan import TablePlan

    made = TablePlan.of(table)
    if isinstance(split, ByKeys):
        raise InvalidInput("not yet")
    return Plan("table", made.reader, _Stream(lambda: made.mini_batches(split.bytes)))
