"""The mini-batches of a step: which have a part, of this run or an earlier one, and which run.

The plan is written once, to `plan.jsonl`, while the input is listed. The driver submits from that
file, and keeps ten bytes of each mini-batch; reusing earlier runs takes some 200 more.
"""

from __future__ import annotations

import itertools
import json
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from prefect_parallel.data import MiniBatch
from prefect_parallel.errors import InvalidInput
from prefect_parallel.flow.nodes.groups import Work
from prefect_parallel.flow.run.selection import Selection
from prefect_parallel.output.part import Record
from prefect_parallel.output.returns import Returns

NAMED_RUNS = 3
"""How many earlier runs a summary names."""


@dataclass
class PlannedMiniBatches:
    """The mini-batches of a step, in the order of the plan file.

    Attributes:
        file: The plan file.
        reused: Earlier run -> number of mini-batches that have a part of it.
        returns: What the mini-batches with a part returned.
    """

    file: Path
    reused: Counter[str] = field(default_factory=Counter)
    returns: Returns = field(default_factory=Returns)
    # There may be millions: a byte for the reason of each, an index of `_reasons`; 8 for its
    # extent; and one for whether it is to run.
    _reasons: list[str] = field(default_factory=lambda: [""])
    _states: bytearray = field(default_factory=bytearray)
    _extents: array[int] = field(default_factory=lambda: array("q"))
    _is_to_do: bytearray = field(default_factory=bytearray)

    def add(self, reason: str, extent: int, record: Record | None) -> None:
        """Add a mini-batch, with the record of its part, or the reason why it has to run."""
        self._states.append(0)
        self._extents.append(extent)
        self.set(self.planned - 1, reason, record)

    def set(self, index: int, reason: str, record: Record | None = None) -> None:
        """Change the reason of a mini-batch; empty: it has a part."""
        self._states[index] = self._state(reason)
        if record is not None:
            self.returns.add(record)

    def reason(self, index: int) -> str:
        return self._reasons[self._states[index]]

    def _state(self, reason: str) -> int:
        if reason not in self._reasons:
            self._reasons.append(reason)
        return self._reasons.index(reason)

    def select(self, selection: Selection) -> None:
        """Choose which of those without a part are to run.

        Raises:
            InvalidInput: None of all mini-batches is selected.
        """
        selected = selection.indexes(self.planned)
        if not selected:
            raise InvalidInput(
                f"{selection} selects no mini-batch; there are {self.planned:,}, with indexes from"
                " 0"
            )
        self._is_to_do = bytearray(
            state > 0 and index in selected for index, state in enumerate(self._states)
        )

    @property
    def planned(self) -> int:
        """The number of mini-batches of the input."""
        return len(self._states)

    @property
    def with_part(self) -> int:
        return self._states.count(0)

    @property
    def to_run(self) -> int:
        """The number of selected mini-batches without a valid part."""
        return self._is_to_do.count(1)

    @property
    def left_out(self) -> int:
        """The number of mini-batches without a valid part that are not selected."""
        return self.planned - self.in_output

    @property
    def in_output(self) -> int:
        """The number of mini-batches in the output, including those that are done."""
        return self.with_part + self.to_run

    def to_do(self) -> Iterator[MiniBatch]:
        """The mini-batches that are to run, read from the plan file one at a time."""
        return self._read(self._is_to_do)

    def without_part(self) -> Iterator[MiniBatch]:
        return self._read(self._states)

    def _read(self, which: bytearray) -> Iterator[MiniBatch]:
        with self.file.open("rb") as lines:
            for line in itertools.compress(lines, which):
                fields = json.loads(line)
                yield MiniBatch.from_json(
                    {**fields["mini_batch"], "fingerprint": fields["fingerprint"]}
                )

    def work(self) -> Work:
        """The work that is to do."""
        return Work(self.to_run, sum(itertools.compress(self._extents, self._is_to_do)))

    def summary(self) -> str:
        """E.g. `1,203 of 1,210 mini-batches are reused from nightly-2026-11-27; 7 new`."""
        from_runs = self._from_runs(self.with_part)
        text = f"{self.with_part:,} of {self.in_output:,} mini-batches are reused{from_runs}"
        counts = Counter(itertools.compress(self._states, self._is_to_do))
        why = [f"{counts[state]:,} {self._reasons[state]}" for state in sorted(counts) if state]
        return "; ".join([text, *filter(None, [", ".join(why)])])

    def _from_runs(self, reused: int) -> str:
        if not self.reused:
            return ""
        own = reused - self.reused.total()
        if own == 0 and len(self.reused) == 1:
            return f" from {next(iter(self.reused))}"
        named = self.reused.most_common(NAMED_RUNS)
        parts = [f"{own:,} of this run"] if own else []
        parts += [f"{count:,} from {run}" for run, count in named]
        if more := len(self.reused) - len(named):
            rest = self.reused.total() - sum(count for _, count in named)
            parts.append(f"{rest:,} from {more:,} other runs")
        return f" ({', '.join(parts)})"
