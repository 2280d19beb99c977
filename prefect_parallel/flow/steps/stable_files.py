"""Mini-batches of files that stay the same when files are added to a list or removed from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from prefect_parallel.data import MiniBatch
from prefect_parallel.data.mini_batch import Piece


def keep_compositions(
    mini_batches: Iterable[MiniBatch],
    earlier: Iterable[tuple[bytes, Sequence[str]]],
    size: int,
    is_unchanged: Callable[[MiniBatch, bytes], bool],
) -> Iterator[MiniBatch]:
    """Yields the files as mini-batches, which are ordered by their first files.

    An earlier mini-batch whose files are all there, unchanged, is formed again. Others are formed
    of the files that are left, in order.

    Args:
        mini_batches: All files, in order; their grouping is not kept.
        earlier: Fingerprint and paths of each earlier mini-batch.
        size: Maximum number of files of a mini-batch.
        is_unchanged: Whether a mini-batch has a fingerprint.
    """
    pieces = [piece for mini_batch in mini_batches for piece in mini_batch.pieces]
    places: dict[str, list[int]] = {}
    for place in reversed(range(len(pieces))):
        places.setdefault(pieces[place].file.path, []).append(place)
    groups: list[list[int]] = []
    for fingerprint, paths in earlier:
        is_there = all(places.get(path) for path in paths)
        if is_there and len(set(paths)) == len(paths) <= size:
            group = [places[path][-1] for path in paths]
            if is_unchanged(_mini_batch(0, pieces, group), fingerprint):
                groups.append(group)
                for path in paths:
                    places[path].pop()
    left = sorted(place for some in places.values() for place in some)
    groups += [left[start : start + size] for start in range(0, len(left), size)]
    for index, group in enumerate(sorted(groups)):
        yield _mini_batch(index, pieces, group)


def _mini_batch(index: int, pieces: Sequence[Piece], places: Sequence[int]) -> MiniBatch:
    return MiniBatch(index, tuple(pieces[place] for place in places))
