"""Which mini-batches of a step have a part already, and why the others have none.

Resuming looks at the parts of this run, reusing at those of earlier ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from threading import Event

from prefect_parallel.atomic_write import atomic_write
from prefect_parallel.data import MiniBatch
from prefect_parallel.flow.nodes.step_monitor import StepCanceled
from prefect_parallel.flow.run.comparison import Comparison
from prefect_parallel.flow.run_directories.earlier_runs import EarlierRuns
from prefect_parallel.flow.steps.earlier_steps import (
    EarlierStep,
    Take,
    Wanted,
    earlier_steps,
    link_or_copy,
)
from prefect_parallel.flow.steps.planned_mini_batches import PlannedMiniBatches
from prefect_parallel.flow.steps.stable_files import keep_compositions
from prefect_parallel.flow.steps.step_fingerprint import COMPARISON, StepFingerprint
from prefect_parallel.layout import RunDirectory, StepDirectory
from prefect_parallel.output.output_files import has_its_files
from prefect_parallel.output.part import BrokenPart, Record, read_record
from prefect_parallel.output.step_parts import StepParts, unpack

NOT_RUN = "did not run before"
FAILED = "failed before"
BROKEN = "have a result that is damaged or of another version"
OTHER_FILES = "have written files that are missing or have changed"
OTHER_DATA = "have other data"
OTHER_INDEX = "have another index, which the script reads"
UNVERSIONED_DATA = "have data without a modification time or ETag"
NEW = "new"
FIRST = "new (there is no earlier run of this pipeline)"
OWN_FILES = "of a script that has written to the outputs itself"


@dataclass(frozen=True)
class PartSearch:
    """A search for the parts of one step.

    Attributes:
        step: The full name of the step.
        directory: Its directory in this run.
        ours: What decides the results besides the data.
        compared: How data is compared.
        resumed: Whether parts of this run may hold.
        earlier: The runs that are looked at; None: nothing is reused.
        never: Why the step never reuses results; empty if it may.
        canceled: Set when the search is to stop.
        take: How a part is taken.
    """

    step: str
    directory: StepDirectory
    ours: StepFingerprint
    compared: Comparison
    resumed: bool
    earlier: EarlierRuns | None
    never: str
    canceled: Event
    take: Take = link_or_copy

    def run(self, mini_batches: Iterator[MiniBatch], files: int | None) -> PlannedMiniBatches:
        """Write the plan file, and take the parts that hold.

        Args:
            mini_batches: The mini-batches as they are split without regard to earlier runs.
            files: The number of files of a mini-batch, if the input is a list of files that is
                split by size.

        Raises:
            StepCanceled: The run was canceled meanwhile.
            OSError: A file cannot be written.
        """
        if self.resumed:
            unpack(self.directory, self._refuse_if_canceled)
        before = StepFingerprint.read(self.directory.fingerprints) if self.resumed else None
        steps = self._steps()
        newest = next(steps, None)
        equal = filter(self._is_equal, chain([newest] if newest else [], steps))
        first = next(equal, None)
        if files is not None and self.earlier is not None:
            own = None
            if before is not None:
                own = EarlierStep(RunDirectory(self.compared.root), self.directory, before)
            kept = own if own is not None and self.ours.is_equal_to(own.fingerprint) else first
            mini_batches = self._kept(mini_batches, kept, files)
        wanted = Wanted()
        planned = self._write(mini_batches, before, wanted)
        # Parts of mini-batches that the input no longer has.
        stale = [part for part in self._parts() if int(part.stem) >= planned.planned]
        if stale or planned.with_part < planned.planned:
            self._discard_output()
        # After the output, which would be kept if this run were killed and resumed in between.
        for part in stale:
            part.unlink()
        if first is not None:
            for index, record in wanted.take(
                chain([first], equal), self.ours, self.directory, self.take
            ):
                planned.set(index, "", record)
            planned.reused = wanted.taken
        self._explain(planned, wanted, newest)
        self.ours.write(self.directory.fingerprints)
        return planned

    def _steps(self) -> Iterator[EarlierStep]:
        if self.earlier is None or self.never:
            return iter(())
        return earlier_steps(self.earlier, self.step, self.ours.pipeline)

    def _is_equal(self, step: EarlierStep) -> bool:
        return self.ours.is_equal_to(step.fingerprint) and not step.has_files_of_its_script()

    def _kept(
        self, mini_batches: Iterator[MiniBatch], earlier: EarlierStep | None, files: int
    ) -> Iterator[MiniBatch]:
        if earlier is None:
            return mini_batches

        def is_unchanged(mini_batch: MiniBatch, fingerprint: bytes) -> bool:
            found = self.compared.fingerprint(mini_batch, mini_batch.to_text())
            return found.encode() == fingerprint

        before = (
            (fingerprint, [self._path_here(piece.file.path, earlier) for piece in each.pieces])
            for fingerprint, each in earlier.mini_batches()
        )
        return keep_compositions(mini_batches, before, files, is_unchanged)

    def _path_here(self, path: str, earlier: EarlierStep) -> str:
        """A path of an earlier run's plan; in that run's directory: the one in this run's."""
        before, root = f"{earlier.run.root}/", f"{self.compared.root}/"
        return root + path[len(before) :] if path.startswith(before) else path

    def _write(
        self, mini_batches: Iterator[MiniBatch], before: StepFingerprint | None, wanted: Wanted
    ) -> PlannedMiniBatches:
        """Write the plan file, and compare each mini-batch with the part that it may have."""
        planned = PlannedMiniBatches(self.directory.plan)
        changes = "" if before is None else self.ours.changes_since(before, packages=False)
        has_parts = next(self._parts(), None) is not None
        with atomic_write(self.directory.plan) as file:
            for mini_batch in mini_batches:
                self._refuse_if_canceled()
                descriptor = mini_batch.to_text()
                data = self.compared.fingerprint(mini_batch, descriptor)
                file.write(f'{{"fingerprint": "{data}", "mini_batch": {descriptor}}}\n'.encode())
                record, reason = self._part(mini_batch.index, data, changes)
                if record is None:
                    if has_parts:
                        # It would be counted until the mini-batch has run.
                        self.directory.part(mini_batch.index).unlink(missing_ok=True)
                    if self.earlier is not None and _is_versioned(mini_batch):
                        wanted.add(data, mini_batch.index)
                    elif self.earlier is not None and reason == NOT_RUN:
                        reason = UNVERSIONED_DATA
                planned.add(reason, mini_batch.extent, record)
        return planned

    def _refuse_if_canceled(self) -> None:
        if self.canceled.is_set():
            raise StepCanceled

    def _part(self, index: int, data: str, changes: str) -> tuple[Record | None, str]:
        """The record of a part of this run that holds; or None and why there is none."""
        if not self.resumed:
            return None, NOT_RUN
        record, reason = _read(lambda: read_record(self.directory.part(index)))
        if record is None:
            return None, reason
        if record.holds_for(data, self.ours.settings_digest) and record.may_be_at(index):
            has_files = has_its_files(self.directory, record)
            return (record.at(index), "") if has_files else (None, OTHER_FILES)
        if record.settings != self.ours.settings_digest:
            return None, f"ran with other {changes or 'settings'}"
        return None, OTHER_DATA

    def _parts(self) -> Iterator[Path]:
        """The parts of this run; there may be millions, of which `Path.glob` makes a list."""
        if not self.directory.parts.exists():  # It is only a preview.
            return
        with os.scandir(self.directory.parts) as entries:
            yield from (Path(each.path) for each in entries if each.name.endswith(".part"))

    def _discard_output(self) -> None:
        """Delete the aggregated output, which is out of date.

        Before parts of earlier runs are taken: if the run is killed, all parts may hold when it is
        resumed, but the output is not theirs.
        """
        if self.ours.output is not None:
            (self.directory.outputs / self.ours.output).unlink(missing_ok=True)

    def _explain(
        self, planned: PlannedMiniBatches, wanted: Wanted, newest: EarlierStep | None
    ) -> None:
        """Find out why mini-batches are not reused, by comparing with the newest run."""
        if self.earlier is None or not wanted.indices:
            return
        if self.never:
            _replace(planned, lambda _: self.never)
        elif newest is None:
            _replace(planned, lambda _: FIRST)
        else:
            _replace(planned, self._reasons_since(newest, wanted))

    def _reasons_since(self, newest: EarlierStep, wanted: Wanted) -> Callable[[MiniBatch], str]:
        """A function that says why a mini-batch is not reused from the newest run."""
        cause = self._cause(newest)
        if COMPARISON in cause:
            return lambda _: cause
        parts = StepParts(newest.directory)
        known: dict[bytes, int] = {}
        changed: set[str] = set()
        for number, (fingerprint, mini_batch) in enumerate(newest.mini_batches()):
            if fingerprint in wanted.indices:
                known[fingerprint] = number
            elif fingerprint not in wanted.found:
                paths = (piece.file.path for piece in mini_batch.pieces)
                changed.update(self._path_here(path, newest) for path in paths)

        def reason(mini_batch: MiniBatch) -> str:
            number = known.get(mini_batch.fingerprint.encode())
            if number is not None:
                return cause or _reason_of_part(parts, number)
            has_changed = any(piece.file.path in changed for piece in mini_batch.pieces)
            return cause or OTHER_DATA if has_changed else NEW

        return reason

    def _cause(self, newest: EarlierStep) -> str:
        """Why nothing of the newest run is reused; empty if something is."""
        if changes := self.ours.changes_since(newest.fingerprint):
            return f"ran with other {changes}"
        return OWN_FILES if newest.has_files_of_its_script() else ""


def _is_versioned(mini_batch: MiniBatch) -> bool:
    """Whether data that has changed has another fingerprint."""
    return all(piece.file.version is not None for piece in mini_batch.pieces)


def _read(find: Callable[[], Record | None]) -> tuple[Record | None, str]:
    """The record of a mini-batch that succeeded; or None and why there is none."""
    try:
        record = find()
    except BrokenPart:
        return None, BROKEN
    except FileNotFoundError:
        # The pack was removed meanwhile.
        return None, NOT_RUN
    if record is None:
        return None, NOT_RUN
    return (record, "") if record.error is None else (None, FAILED)


def _reason_of_part(parts: StepParts, number: int) -> str:
    """Why a part was not taken, although its data and settings are those of this run."""
    record, reason = _read(lambda: parts.record(number))
    if record is not None and record.output_dir:
        return OWN_FILES
    return OTHER_INDEX if record is not None and record.index_was_read else reason or NOT_RUN


def _replace(planned: PlannedMiniBatches, reason: Callable[[MiniBatch], str]) -> None:
    """Give each mini-batch that has no part of its own a reason."""
    for mini_batch in planned.without_part():
        if planned.reason(mini_batch.index) == NOT_RUN:
            planned.set(mini_batch.index, reason(mini_batch))
