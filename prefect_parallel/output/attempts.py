"""The attempts of a step, as its nodes have logged them. There may be millions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Any, overload

from prefect_parallel.output.timestamps import parse_timestamp

if TYPE_CHECKING:
    import numpy as np

SUCCEEDED = "succeeded"
"""The result in the log of attempts of one without an error."""

_COLUMNS = {
    **dict.fromkeys(("started_at", "seconds"), "f8"),
    **dict.fromkeys(("process", "error", "mini_batch", "attempt", "items", "succeeded"), "i8"),
    **dict.fromkeys(("run_seconds", "process_seconds"), "f8"),
}
_LARGEST = 2**63 - 1
_NONE = -1
_AT_A_TIME = 1000


@dataclass(slots=True)
class Span:
    """What an entry process did for a while, as its node logged it.

    It is not frozen: a frozen one takes three times as long to make.

    Attributes:
        started_at: Seconds since the epoch.
        error: The error in one line; None if there was none.
    """

    node: str
    process: str
    started_at: float
    seconds: float
    error: str | None


@dataclass(slots=True)
class Attempt(Span):
    """One attempt.

    Attributes:
        items: Number of items of the mini-batch; None if it could not be loaded.
        run_seconds: Duration of `run`; None if it did not return.
        process_seconds: CPU time of the process, likewise.
    """

    mini_batch: int
    attempt: int
    items: int | None
    succeeded: int
    run_seconds: float | None = None
    process_seconds: float | None = None


class Attempts(Sequence[Attempt]):
    """Attempts in the order in which they started.

    A table has 80 bytes of each; an `Attempt` is made when it is asked for.
    """

    def __init__(self, logs: Iterable[tuple[str, str, Iterator[str]]]) -> None:
        """Read logs; lines that are incomplete are left out.

        Args:
            logs: Node, process and lines of each log.
        """
        import numpy as np

        self._processes: list[tuple[str, str]] = []
        self._errors: list[str | None] = []
        numbers: dict[str | None, int] = {}

        def rows() -> Iterator[tuple[float, ...]]:
            for node, process, lines in logs:
                self._processes.append((node, process))
                for started_at, seconds, error, *others in _parsed(lines):
                    number = numbers.setdefault(error, len(numbers))
                    if number == len(self._errors):
                        self._errors.append(error)
                    yield started_at, seconds, len(self._processes) - 1, number, *others

        self._table = np.fromiter(rows(), [*_COLUMNS.items()])
        self._order = np.argsort(self._table["started_at"], kind="stable")

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Attempt]:
        return self._made(self._order)

    @overload
    def __getitem__(self, place: int) -> Attempt: ...

    @overload
    def __getitem__(self, place: slice) -> list[Attempt]: ...

    def __getitem__(self, place: int | slice) -> Attempt | list[Attempt]:
        if isinstance(place, slice):
            return list(self._made(self._order[place]))
        return next(self._made(self._order[[place]]))

    def by_mini_batch(self) -> Iterator[Attempt]:
        """All attempts, by mini-batch and number."""
        import numpy as np

        return self._made(np.lexsort((self._table["attempt"], self._table["mini_batch"])))

    def last(self) -> Iterator[Attempt]:
        """The last attempt at each mini-batch, by mini-batch."""
        return self._made(self._last())

    def failed(self) -> Iterator[Attempt]:
        """Those with an error, in the order in which they started."""
        return self._made(self._order[self._has_failed()[self._order]])

    def last_of_failed(self) -> Iterator[Attempt]:
        """The last attempt at each mini-batch of which one has failed, by mini-batch."""
        import numpy as np

        mini_batches, last = self._table["mini_batch"], self._last()
        return self._made(last[np.isin(mini_batches[last], mini_batches[self._has_failed()])])

    def _last(self) -> np.ndarray[Any, Any]:
        import numpy as np

        latest_first = self._order[::-1]
        _, places = np.unique(self._table["mini_batch"][latest_first], return_index=True)
        return latest_first[places]

    def _has_failed(self) -> np.ndarray[Any, Any]:
        import numpy as np

        fails = np.array([error is not None for error in self._errors], bool)
        failed: np.ndarray[Any, Any] = fails[self._table["error"]]
        return failed

    def seconds(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The duration of each."""
        found: np.ndarray[Any, np.dtype[np.float64]] = self._table["seconds"][self._order]
        return found

    def _made(self, order: np.ndarray[Any, Any]) -> Iterator[Attempt]:
        for start in range(0, len(order), _AT_A_TIME):
            for row in self._table[order[start : start + _AT_A_TIME]].tolist():
                yield self._attempt(*row)

    def _attempt(
        self,
        started_at: float,
        seconds: float,
        process: int,
        error: int,
        mini_batch: int,
        attempt: int,
        items: int,
        succeeded: int,
        run_seconds: float,
        process_seconds: float,
    ) -> Attempt:
        return Attempt(
            *self._processes[process],
            started_at=started_at,
            seconds=seconds,
            error=self._errors[error],
            mini_batch=mini_batch,
            attempt=attempt,
            items=None if items == _NONE else items,
            succeeded=succeeded,
            run_seconds=None if isnan(run_seconds) else run_seconds,
            process_seconds=None if isnan(process_seconds) else process_seconds,
        )


def _parsed(lines: Iterator[str]) -> Iterator[tuple[Any, ...]]:
    """Start, duration, error and the other columns of each line, in the order of the table."""
    columns = next(lines, "").split("\t")
    for line in lines:
        # The last cell is the error, which may contain tabs.
        cells = dict(zip(columns, line.split("\t", len(columns) - 1), strict=False))
        try:
            yield (
                parse_timestamp(cells["started_at"]),
                float(cells["seconds"]),
                None if cells["result"] == SUCCEEDED else cells["result"],
                _count(cells["mini_batch"]),
                _count(cells["attempt"]),
                _NONE if cells["items"] == "?" else _count(cells["items"]),
                _count(cells["succeeded"]),
                float(cells.get("run_seconds") or "nan"),
                float(cells.get("process_seconds") or "nan"),
            )
        except (KeyError, ValueError):
            continue


def _count(cell: str) -> int:
    """A number that a table can hold.

    Raises:
        ValueError: It is none, or is too large.
    """
    number = int(cell)
    if not 0 <= number <= _LARGEST:
        raise ValueError(cell)
    return number
