"""Bisection: which items of a failed mini-batch fail alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from prefect_parallel.output.part import Record

MAX_FAILING = 64
"""Number of failing items, or of pieces with one, after which no others are isolated."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a call of `run` with some neighboring items of a mini-batch.

    Attributes:
        error: In one line; None if they succeeded.
        called: Whether it was called. Otherwise, they are presumed to fail.
        record: That of a call that succeeded.
    """

    items: range
    error: str | None
    traceback_file: str | None = None
    called: bool = True
    record: Record | None = None

    def contains(self, other: Outcome) -> bool:
        return self.items.start <= other.items.start and other.items.stop <= self.items.stop


@dataclass
class Bisection:
    """Splits what fails in halves, until each failing item stands alone.

    For k failing items of n, there are at most 2 k log2(n) + 1 calls: if the first half of what
    failed succeeds, the second half is split without a call.

    Attributes:
        failing: What fails: first the mini-batch, finally the items that fail alone.
        error_threshold: With more failing items, the step fails, so none are isolated. -1:
            unlimited.
        succeeded: The pieces that succeeded.
    """

    failing: list[Outcome]
    error_threshold: int
    succeeded: list[Outcome] = field(default_factory=list)
    _split_up: list[Outcome] = field(default_factory=list)

    def run(self, call: Callable[[range], Outcome]) -> None:
        """Call `run`, by `call`, until it is known which items fail."""
        while large := [each for each in self.failing if len(each.items) > 1]:
            for each in large:
                if self._is_enough:
                    return
                self._split(each, call)

    @property
    def fine_size(self) -> int | None:
        """The size of the pieces that succeeded of what failed only together; None if nothing did.

        If several pieces failed only together, that of the one with the smallest.
        """
        sizes = [
            max(len(each.items) for each in self.succeeded if whole.contains(each))
            for whole in self._split_up
            if not any(whole.contains(each) for each in self.failing)
        ]
        return min(sizes, default=None)

    @property
    def _is_enough(self) -> bool:
        alone = sum(each.called and len(each.items) == 1 for each in self.failing)
        return 0 <= self.error_threshold < alone or len(self.failing) > MAX_FAILING

    def _split(self, whole: Outcome, call: Callable[[range], Outcome]) -> None:
        self.failing.remove(whole)
        middle = len(whole.items) // 2
        first, second = whole.items[:middle], whole.items[middle:]
        succeeded = self._add(call(first))
        if self._is_enough or (succeeded and len(second) > 1):
            self.failing.append(replace(whole, items=second, called=False))
        else:
            self._add(call(second))
        if whole.called:
            self._split_up.append(whole)

    def _add(self, outcome: Outcome) -> bool:
        (self.failing if outcome.error is not None else self.succeeded).append(outcome)
        return outcome.error is None
