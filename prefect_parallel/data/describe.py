"""Data as people have it, described as the major input of a parallel step."""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect_parallel.data.locations.datastores import NO_DATASTORES, Datastores
from prefect_parallel.data.locations.listing import (
    HIDDEN_IN_TABLES,
    find_files,
    has_wildcards,
    visible_files,
)
from prefect_parallel.data.locations.location import Location
from prefect_parallel.data.mini_batch import File
from prefect_parallel.data.mltable.input_formats import (
    INPUT_FORMATS,
    ITEMS,
    format_of,
    is_compressed_table,
)
from prefect_parallel.data.mltable.mltable import MLTable
from prefect_parallel.data.planning.split import Kind
from prefect_parallel.data.spool import spool_frame, spool_items, spool_mltable
from prefect_parallel.errors import InvalidInput

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class InputDescription:
    """A major input of a parallel step.

    Attributes:
        kind: What `run` gets: a DataFrame of a `table`, a list of paths of `files`, or a list of
            `items`.
        type: The type of the input: `uri_file`, `uri_folder` or `mltable`.
        mode: The mode of the input.
        path: Absolute local path, URL or `azureml:` name.
        input_format: The step's `input_format`; None for an MLTable or a list of files.
    """

    kind: Kind
    type: str
    mode: str
    path: str
    input_format: str | None = None

    def mini_batch_size(self, count: int) -> str:
        """The `mini_batch_size` for a number of rows, files or items."""
        return f"{count} rows" if self.kind == "table" else str(count)


def describe_data(
    data: str | os.PathLike[str] | pd.DataFrame | pa.Table | Iterable[Any],
    spool: Path,
    *,
    datastores: Datastores = NO_DATASTORES,
) -> InputDescription:
    """Describes data as the major input of a parallel step.

    | data | what `run` gets |
    | --- | --- |
    | a folder with an MLTable file | what that file says |
    | a `.csv`, `.tsv`, `.parquet`, `.jsonl` or `.ndjson` file | rows |
    | a folder of such files, all of one format; a Delta table | rows |
    | another file or folder | paths |
    | a glob, or a list of paths and globs: of such files, all of one format | rows |
    | a glob, or a list of paths and globs: of other files | paths |
    | a DataFrame, a `pyarrow.Table` | its rows |
    | another iterable of `None`, booleans, numbers, strings, lists and dicts | these items |

    A path is a string or `os.PathLike`, local or a URL. Names that start with `.`, and in a folder
    that is a table also those that start with `_`, are left out. A list of strings is a list of
    paths if each of them exists here, is a glob that matches, ends like a table file, or starts
    with `azureml:`; otherwise a list of items. `iter([...])` is always items.

    A DataFrame is written to the spool folder as Parquet, without its index (`reset_index()` makes
    columns of it); `run` gets the same dtypes. Items are written as they come, as JSON lines.
    What is written there already, by an earlier attempt of the same run, is kept if it is equal.

    Args:
        data: The data.
        spool: A folder for what is only in memory, and for lists of files. All processes that read
            mini-batches must see it. It is made if it is needed.
        datastores: Definitions of `azureml:` names.

    Raises:
        InvalidInput: The data does not exist, has several formats, is compressed, or has items
            that are not JSON or columns with the same name.
        EmptyInput: An iterable has no items, or a DataFrame no rows.

    Example:
        ```python
        data = describe_data("sales/*.parquet", Path("run/spool"))
        split = BySize.parse(data.mini_batch_size(1000))
        plan(data.path, type=data.type, mode=data.mode, split=split)
        ```
    """
    if _is_instance(data, "pandas", "DataFrame") or _is_instance(data, "pyarrow", "Table"):
        path, input_format = spool_frame(data, spool)
        return InputDescription("table", "uri_file", "direct", str(path), input_format)
    if isinstance(data, (str, os.PathLike)):
        if not (text := os.fspath(data)):
            raise InvalidInput("the path is empty", hint="write . for the current folder")
        if _is_glob(text):
            return _of_list([text], spool, datastores)
        return _of_path(text, datastores)
    if isinstance(data, (bytes, Mapping)) or not isinstance(data, Iterable):
        raise InvalidInput(
            f"found {_shown(data)}",
            allowed="a path, a glob, a list of them, a DataFrame, a pyarrow.Table, or an iterable"
            " of JSON values",
            hint="write a list with the one item" if isinstance(data, Mapping) else None,
        )
    paths, data = _paths(data)
    if paths:
        return _of_list(paths, spool, datastores)
    path = spool_items(data, spool)
    return InputDescription("items", "uri_file", "direct", str(path), ITEMS)


def _shown(data: Any) -> str:
    if isinstance(data, (str, os.PathLike)):
        return repr(data)
    return f"a value of type {type(data).__name__}"


def _is_instance(data: Any, module: str, name: str) -> bool:
    """Whether it is an instance of a class of a module, without importing it."""
    return any(
        each.__name__ == name and each.__module__.partition(".")[0] == module
        for each in type(data).__mro__
    )


def _is_glob(text: str) -> bool:
    # A question mark in a web address begins its query.
    is_web = text.startswith(("http://", "https://"))
    return has_wildcards(text) and not is_web and not os.path.lexists(text)


def _paths(data: Iterable[Any]) -> tuple[list[str], Iterable[Any]]:
    """The elements if they are paths, else none, and the iterable without anything taken from it.

    Raises:
        InvalidInput: Only some elements are paths.
    """
    if not isinstance(data, Sequence):
        # E.g. the result of `Path.glob`.
        iterator = iter(data)
        head = list(itertools.islice(iterator, 1))
        data = itertools.chain(head, iterator)
        if not head or not isinstance(head[0], os.PathLike):
            return [], data
        data = list(data)
    found = [_is_path(each) for each in data]
    if all(found):
        return [os.fspath(each) for each in data], data
    if any(found):
        at = found.index(False)
        raise InvalidInput(
            f"element {at} of the list, {_shown(data[at])}, is not an existing path or a glob that"
            " matches one",
            hint="other elements are paths; pass iter([...]) to treat every element as an item",
        )
    return [], data


def _is_path(element: Any) -> bool:
    if isinstance(element, os.PathLike):
        return True
    if not isinstance(element, str):
        return False
    if element.startswith("azureml:") or format_of(element):
        return True
    if os.path.exists(element):  # noqa: PTH110 - Path.exists() fails for a long text
        return True
    if not _is_glob(element) or "://" in element or "\0" in element:
        return False
    return any(True for _ in glob.iglob(element, recursive=True))  # noqa: PTH207 - Path.glob() refuses absolute patterns


def _of_path(text: str, datastores: Datastores) -> InputDescription:
    """A file or folder."""
    place = Location.parse(text, datastores=datastores)
    if not place.is_folder():
        if not place.exists():
            raise InvalidInput(f"{text}: no such file or folder")
        return _of_uri("uri_file", place, _common_format([place.path], text))
    if place.holds_mltable():
        if MLTable.load(place).read_transformation is not None:
            return InputDescription("table", "mltable", "direct", place.path)
        return InputDescription("files", "mltable", "eval_mount", place.path)
    if place.join("_delta_log").is_folder():
        return _of_uri("uri_folder", place, "delta")
    names = (file.path for file in visible_files(place, HIDDEN_IN_TABLES))
    return _of_uri("uri_folder", place, _common_format(names, text))


def _of_uri(type_: str, place: Location, input_format: str | None) -> InputDescription:
    if input_format is None:
        return InputDescription("files", type_, "ro_mount", place.path)
    return InputDescription("table", type_, "direct", place.path, input_format)


def _of_list(texts: Sequence[str], spool: Path, datastores: Datastores) -> InputDescription:
    """A list of paths and globs: an MLTable file."""
    entries: list[Mapping[str, str]] = []
    names: list[str] = []
    for text in texts:
        place = Location.parse(text, datastores=datastores)
        found = [file.path for file in _files(text, place)]
        visible = [path for path in found if not _is_hidden(path, place.path.split("/"))]
        if not visible:
            raise InvalidInput(f"{text}: no file matches")
        names.extend(visible)
        if place.is_remote and _is_glob(text) and len(visible) == len(found):
            # One request lists its files.
            entries.append({"pattern": place.path})
        else:
            entries.extend(map(_file_entry, visible))
    shown = texts[0] if len(texts) == 1 else "the list of paths"
    input_format = _common_format(names, shown)
    read = INPUT_FORMATS[input_format] if input_format else None
    path = str(spool_mltable(entries, read, spool))
    if read is None:
        return InputDescription("files", "mltable", "eval_mount", path)
    return InputDescription("table", "mltable", "direct", path)


def _files(text: str, place: Location) -> Iterable[File]:
    """The files of a path or glob.

    Raises:
        InvalidInput: Nothing is there, or the glob is invalid.
    """
    if not _is_glob(text):
        if place.join("_delta_log").is_folder():
            raise InvalidInput(
                f"{text}: a Delta table cannot be part of a list", hint="pass its folder on its own"
            )
        if place.is_folder():
            rows = list(visible_files(place, HIDDEN_IN_TABLES))
            return rows if all(format_of(file.path) for file in rows) else visible_files(place)
        if not place.exists():
            raise InvalidInput(f"{text}: no such file or folder")
        return [place.file()]
    parts = place.path.split("/")
    plain = next(at for at, part in enumerate(parts) if has_wildcards(part))
    folder = Location("/".join(parts[:plain]) or "/", place.datastores)
    try:
        return list(find_files(folder, parts[plain:])) if folder.is_folder() else []
    except ValueError as error:
        raise InvalidInput(f"{text}: {error}") from error


def _is_hidden(path: str, pattern: Sequence[str]) -> bool:
    """Whether a wildcard that does not start with a dot matched a name that does."""
    if any(part.startswith(".") and has_wildcards(part) for part in pattern):
        return False
    return any(part.startswith(".") and part not in pattern for part in path.split("/"))


def _file_entry(path: str) -> Mapping[str, str]:
    wild = any(mark in path for mark in "*?")
    return {"pattern": glob.escape(path)} if wild else {"file": path}


def _common_format(paths: Iterable[str], shown: str) -> str | None:
    """The format that all files of a table have; None if some are not files of a table.

    Raises:
        InvalidInput: They have several formats, or are compressed.
    """
    formats: dict[str, str] = {}
    for path in paths:
        name = path.partition("?")[0] if path.startswith(("http://", "https://")) else path
        found = "compressed" if is_compressed_table(name) else format_of(name)
        if found is None:
            return None
        formats.setdefault(found, path)
    if "compressed" in formats:
        raise InvalidInput(
            f"{formats['compressed']}: is compressed, so it cannot be read in parts",
            hint="unpack it, or convert it to Parquet",
        )
    if len(formats) > 1:
        examples = ", ".join(f"{path} ({name})" for name, path in formats.items())
        raise InvalidInput(
            f"{shown}: found files of several formats: {examples}",
            hint="select the files of one format, e.g. with a glob",
        )
    return next(iter(formats), None)
