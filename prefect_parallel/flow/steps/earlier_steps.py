"""A step of earlier runs, and which of its parts hold for this run.

What a run directory says of its parts (`plan.jsonl`, `fingerprints.json`) only tells where to look.
A part is believed for what its own record says, after it was taken.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from prefect_parallel.atomic_write import atomic_write
from prefect_parallel.data import MiniBatch
from prefect_parallel.flow.run_directories.earlier_runs import EarlierRuns
from prefect_parallel.flow.steps.step_fingerprint import StepFingerprint
from prefect_parallel.layout import RunDirectory, StepDirectory
from prefect_parallel.output.packs import Packs
from prefect_parallel.output.part import BrokenPart, Record, packed_part, read_record

LINE_START = b'{"fingerprint": "'
DIGITS = slice(len(LINE_START), len(LINE_START) + 64)
"""Where a line of a plan file has the fingerprint of its mini-batch."""

Source = Path | bytes
"""A part of an earlier run: its file, or its content in a pack."""

Take = Callable[[Source, Path], "Record | None"]
"""Makes a part of an earlier run one of this run, at a path; returns its record."""


@dataclass(frozen=True)
class EarlierStep:
    """A step of an earlier run."""

    run: RunDirectory
    directory: StepDirectory
    fingerprint: StepFingerprint

    @property
    def name(self) -> str:
        """The name of the run."""
        return self.run.root.name

    def fingerprints(self) -> Iterator[bytes]:
        """The fingerprints of the data of its mini-batches, in order."""
        try:
            with self.directory.plan.open("rb") as lines:
                for line in lines:
                    yield line[DIGITS]
        except OSError:
            return

    def sources(self, numbers: Collection[tuple[int, bytes]]) -> Iterator[tuple[bytes, Source]]:
        """The parts of some mini-batches, as far as they have one, or two."""
        # A run that was killed has few, and each miss takes time.
        if not numbers:
            return
        try:
            own = {part.name for part in self.directory.parts.iterdir()}
            packs = Packs.below(self.directory.packs)
        except OSError:
            return
        for number, data in numbers:
            part = self.directory.part(number)
            if part.name in own:
                yield data, part
            try:
                content = packs.read(number)
            except OSError:
                # It was removed meanwhile.
                continue
            if content is not None:
                yield data, content
        packs.close()

    def mini_batches(self) -> Iterator[tuple[bytes, MiniBatch]]:
        """Its mini-batches, with these fingerprints, as far as its plan can be read."""
        try:
            with self.directory.plan.open("rb") as lines:
                for line in lines:
                    yield line[DIGITS], MiniBatch.from_json(json.loads(line)["mini_batch"])
        except (OSError, ValueError, LookupError, TypeError):
            return

    def has_files_of_its_script(self) -> bool:
        """Whether its outputs have files besides the aggregated one: of which mini-batches?"""
        outputs = self.directory.outputs
        aggregated = self.fingerprint.output and outputs / self.fingerprint.output
        for folder, _, names in os.walk(outputs):
            files = {Path(folder, name) for name in names}
            if any(file != aggregated and not file.name.startswith(".") for file in files):
                return True
        return False


def earlier_steps(earlier: EarlierRuns, step: str, pipeline: str) -> Iterator[EarlierStep]:
    """The step of a name in earlier runs of a pipeline, the newest first."""
    for run in earlier.runs:
        directory = run.step(step)
        found = StepFingerprint.read(directory.fingerprints)
        if found is not None and found.pipeline == pipeline:
            yield EarlierStep(run, directory, found)


@dataclass
class Wanted:
    """The mini-batches for which a part is looked for.

    Attributes:
        indices: Fingerprint of the data -> the mini-batches that have it and no part yet.
        found: Fingerprints of data for which there was a part.
        taken: Run -> number of mini-batches that have a part of it.
    """

    indices: dict[bytes, list[int]] = field(default_factory=dict)
    found: set[bytes] = field(default_factory=set)
    taken: Counter[str] = field(default_factory=Counter)

    def add(self, fingerprint: str, index: int) -> None:
        self.indices.setdefault(fingerprint.encode(), []).append(index)

    def take(
        self, steps: Iterable[EarlierStep], ours: StepFingerprint, target: StepDirectory, take: Take
    ) -> Iterator[tuple[int, Record]]:
        """Take parts of earlier runs until each mini-batch has one; yields these mini-batches."""
        for step in steps:
            if not self.indices:
                return
            known = enumerate(step.fingerprints())
            hits = [(number, data) for number, data in known if data in self.indices]
            for data, source in step.sources(hits):
                for index in self.indices.pop(data, ()):
                    record = take_part(source, index, target, data.decode(), ours, take)
                    if record is None:
                        self.indices.setdefault(data, []).append(index)
                    else:
                        self.found.add(data)
                        self.taken[step.name] += 1
                        yield index, record


def take_part(
    source: Source, index: int, target: StepDirectory, data: str, ours: StepFingerprint, take: Take
) -> Record | None:
    """Take a part for a mini-batch, whose record it returns, or None if the part does not hold."""
    try:
        if not ours.holds(record_of(source), data, index):
            return None
        # The part may have been replaced meanwhile.
        record = take(source, target.part(index))
    except (OSError, BrokenPart):
        # It was removed meanwhile, is not readable, or was truncated.
        record = None
    if record is not None and ours.holds(record, data, index):
        return record.at(index)
    target.part(index).unlink(missing_ok=True)
    return None


def record_of(source: Source) -> Record | None:
    """The record of a part; None if it has no file.

    Raises:
        BrokenPart: It is damaged.
    """
    if isinstance(source, Path):
        return read_record(source)
    return packed_part(source, "a part in a pack")[0]


def link_or_copy(source: Source, target: Path) -> Record | None:
    """Make a hard link to a part, which is never changed; otherwise, or if it is packed, a copy.

    Raises:
        OSError: The part is gone, or cannot be read or written.
    """
    if isinstance(source, bytes):
        with atomic_write(target) as copy:
            copy.write(source)
        return read_record(target)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        with source.open("rb") as part, atomic_write(target) as copy:
            shutil.copyfileobj(part, copy)
    return read_record(target)


def only_look(source: Source, _: Path) -> Record | None:
    """Take nothing: the record of an earlier run's part."""
    return record_of(source)
