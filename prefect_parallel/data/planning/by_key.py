"""Splits by key: each mini-batch has all rows, or files, with the same values of some columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prefect_parallel.data.columns.texts import texts_of
from prefect_parallel.data.mini_batch import MiniBatch, Piece
from prefect_parallel.data.transformations.path_columns import PathColumns
from prefect_parallel.errors import InvalidInput, did_you_mean

# The values of the keys as text; None is null.
Key = tuple[str | None, ...]


def check_keys(
    name: str, keys: Sequence[str], columns: Iterable[str], hint: str | None = None
) -> None:
    """Checks that all keys are columns.

    Args:
        name: The input, for messages.
        keys: The keys.
        columns: The names of all columns.
        hint: What to do if a key is not like any of them.

    Raises:
        InvalidInput: A key is not a column, or is given twice.
    """
    known = list(columns)
    for position, key in enumerate(keys):
        if key in keys[:position]:
            raise InvalidInput(f"{name}: partition key {key!r} is given twice")
        if key not in known:
            raise InvalidInput(
                f"{name}: partition key {key!r} is not a column of the input",
                allowed=", ".join(known) or "none: its files give no columns",
                hint=did_you_mean(key, known) or hint,
            )


def key_of_path(path_columns: PathColumns, keys: Sequence[str]) -> Callable[[str], Key]:
    """A function from the path of a file to the values of the keys, which the path determines."""

    def key(path: str) -> Key:
        columns = path_columns.of(path)
        return tuple(texts_of(columns[name])[0].as_py() for name in keys)

    return key


def key_value(keys: Sequence[str], key: Key) -> Mapping[str, str]:
    """The `partition_key_value` of a mini-batch, in which null is an empty text."""
    return {name: value or "" for name, value in zip(keys, key, strict=True)}


def group_pieces(
    pieces: Iterable[Piece], keys: Sequence[str], key_of: Callable[[str], Key], unit: str
) -> Iterator[MiniBatch]:
    """Yields a mini-batch for each key, in order of first appearance."""
    groups: dict[Key, list[Piece]] = {}
    for piece in pieces:
        groups.setdefault(key_of(piece.file.path), []).append(piece)
    for index, (key, group) in enumerate(groups.items()):
        yield MiniBatch(index, tuple(group), unit, key_value(keys, key))
