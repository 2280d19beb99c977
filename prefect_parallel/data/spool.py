"""Files in a run directory for data that is only in memory."""

from __future__ import annotations

import filecmp
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from prefect_parallel.errors import EmptyInput, InvalidInput

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# Size of the row groups of a spooled table: a process decodes whole ones.
_GROUP_BYTES = 4 * 1024 * 1024


def spool_frame(data: pd.DataFrame | pa.Table, spool: Path) -> tuple[Path, str]:
    """Writes a DataFrame, without its index, or an Arrow table.

    Returns:
        The file, and its input format.

    Raises:
        EmptyInput: It has no rows.
        InvalidInput: It has no columns, two columns have the same name, or a column cannot be
            written as Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not len(data):
        raise EmptyInput(f"the {type(data).__name__} has no rows")
    if not data.shape[1]:
        raise InvalidInput(f"the {type(data).__name__} has no columns")
    is_arrow = isinstance(data, pa.Table)
    seen: set[str] = set()
    for name in data.column_names if is_arrow else data.columns:
        if not isinstance(name, str):
            raise InvalidInput(
                f"the DataFrame has a column named {name!r}",
                allowed="names that are strings",
                hint="frame.columns = frame.columns.astype(str)",
            )
        if name in seen:
            raise InvalidInput(
                f"the {type(data).__name__} has two columns named {name!r}",
                hint="rename one of them",
            )
        seen.add(name)
    try:
        table = _nullable(data) if is_arrow else pa.Table.from_pandas(data, preserve_index=False)
        rows = max(1, len(table) * _GROUP_BYTES // max(table.nbytes, 1))
        with _spooled(spool, "rows.parquet") as (path, file):
            pq.write_table(table, file, row_group_size=rows)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise InvalidInput(
            f"the {type(data).__name__} cannot be written as Parquet:"
            f" {'; '.join(map(str, reversed(error.args)))}"
        ) from error
    return path, "pandas"


def _nullable(table: pa.Table) -> pa.Table:
    """A table whose metadata gives integers beside nulls pandas' dtypes for them.

    By default, pandas has them as doubles, which hold integers up to 2**53.
    """
    import pandas as pd
    import pyarrow as pa

    frame = pd.DataFrame()
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_integer(field.type) and column.null_count:
            dtype = str(field.type).replace("int", "Int").replace("u", "U")
            frame[field.name] = pd.Series(dtype=dtype)
    schema = pa.Schema.from_pandas(frame, preserve_index=False)
    return table.replace_schema_metadata(schema.metadata)


def spool_items(items: Iterable[Any], spool: Path) -> Path:
    """Writes items as JSON lines, as they come.

    Raises:
        EmptyInput: The iterable is empty.
        InvalidInput: An item is not JSON, or cannot be written as such.
    """
    index = -1
    with _spooled(spool, "items.jsonl") as (path, file):
        for index, item in enumerate(items):
            try:
                _check_json(item, index)
                line = json.dumps(item)
            except (ValueError, RecursionError) as error:
                raise InvalidInput(f"item {index} cannot be written as JSON: {error}") from error
            file.write(line.encode() + b"\n")
        if index < 0:
            raise EmptyInput("the iterable has no items")
    return path


def spool_mltable(
    paths: Sequence[Mapping[str, str]], read: tuple[str, Mapping[str, Any]] | None, spool: Path
) -> Path:
    """Writes an MLTable file.

    Args:
        paths: Its entries of `paths`.
        read: The transformation that reads them as a table, with its options.
        spool: The folder.

    Returns:
        The folder.
    """
    document: dict[str, Any] = {"type": "mltable", "paths": paths}
    if read is not None:
        document["transformations"] = [{read[0]: read[1]}]
    with _spooled(spool, "MLTable") as (path, file):
        text = _PAIR.sub(_as_yaml, json.dumps(document, indent=1))
        file.write(text.encode() + b"\n")
    return path.parent


# JSON is YAML, except that it has characters beyond U+FFFF, such as emoji, as two escapes.
_PAIR = re.compile(r"\\ud[89ab]..\\ud[c-f]..")


def _as_yaml(pair: re.Match[str]) -> str:
    character = json.loads(f'"{pair[0]}"')
    return rf"\U{ord(character):08x}"


@contextmanager
def _spooled(folder: Path, name: str) -> Iterator[tuple[Path, BinaryIO]]:
    """A file to write to. An equal one is kept, so that a resumed run finds its data unchanged."""
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    making = folder / f"{name}.{os.getpid()}.tmp"
    try:
        with making.open("wb") as file:
            yield path, file
        if not (path.exists() and filecmp.cmp(path, making, shallow=False)):
            making.replace(path)
    finally:
        making.unlink(missing_ok=True)
        if is_new and not any(folder.iterdir()):
            folder.rmdir()


def _check_json(value: Any, index: int) -> None:
    """Checks that JSON keeps a value as it is.

    Raises:
        InvalidInput: The value, or a part of it, is not JSON.
    """
    of_type = type(value)
    if value is None or of_type in (bool, int, float, str):
        return
    if of_type is list:
        for element in value:
            _check_json(element, index)
    elif of_type is dict:
        for key, element in value.items():
            if type(key) is not str:
                raise _not_json(index, f"a dict with the key {key!r}", "make its keys strings")
            _check_json(element, index)
    else:
        raise _not_json(
            index, f"a value of type {of_type.__name__}", _HINTS.get(of_type.__module__)
        )


_HINTS: Mapping[str, str] = {
    "numpy": "convert it with array.tolist() or value.item()",
    "pathlib": "paths must not be mixed with other items",
}


def _not_json(index: int, found: str, hint: str | None) -> InvalidInput:
    return InvalidInput(
        f"item {index} is, or contains, {found}",
        allowed="None, bool, int, float, str, and lists and dicts of them",
        hint=hint,
    )
