"""A step that waits for workers: `work.jsonl`, written by the driver.

Its first line has what workers must know of the step, each other one a mini-batch that is to run.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from prefect_parallel.atomic_write import atomic_write
from prefect_parallel.data import MiniBatch
from prefect_parallel.entry.config import EntryConfig
from prefect_parallel.entry.isolation import items_to_isolate
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.nodes.retry_delays import RetryDelays
from prefect_parallel.flow.nodes.thresholds import Thresholds
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.part import Record, read_record


class RunNotShared(PrefectParallelError):
    """This machine does not see the run directory, or an input, where the driver does."""


@dataclass(frozen=True)
class PreparedStep:
    """A step that waits for workers.

    Attributes:
        config: What a node must know, without the datastores, which have credentials.
        datastores: Names of the datastores.
        inputs: Local paths that the step reads.
        slots: Number of entry processes of a worker; None for its default.
        max_retries: Maximum number of attempts of a mini-batch after the first.
        delays: How long retries wait.
        thresholds: How much may fail.
        unit: What an item is: `files`, `rows` or `items`.
        planned: Number of mini-batches of the input.
        mini_batches: Number of those in the output, including those that were done before.
    """

    config: EntryConfig
    datastores: tuple[str, ...]
    inputs: tuple[str, ...]
    slots: int | None
    max_retries: int
    delays: RetryDelays
    thresholds: Thresholds
    unit: str
    planned: int
    mini_batches: int

    @property
    def directory(self) -> StepDirectory:
        return self.config.directory

    def write(self, to_do: Iterable[MiniBatch]) -> None:
        """Write the file, from which on workers take these mini-batches."""
        with atomic_write(self.directory.work) as file:
            file.write(json.dumps(self._to_json()).encode() + b"\n")
            for mini_batch in to_do:
                file.write(mini_batch.to_text().encode() + b"\n")

    @classmethod
    def read(cls, directory: StepDirectory) -> PreparedStep:
        """Read the first line of the file.

        Raises:
            RunNotShared: The driver's path of the directory is not that of this machine.
        """
        with directory.work.open("rb") as file:
            step = cls._from_json(json.loads(file.readline()))
        theirs = step.directory.work
        if not theirs.exists() or not theirs.samefile(directory.work):
            raise RunNotShared(
                f"{directory.root} was prepared as {step.directory.root}",
                hint="mount the shared folder at the same path on all machines",
            )
        return step

    def check_inputs(self) -> None:
        """Raise RunNotShared if this machine does not see an input."""
        for path in self.inputs:
            if not Path(path).exists():
                raise RunNotShared(
                    f"this machine does not see the input {path}",
                    hint="give a URL, or a folder that all machines share at the same path",
                )

    def offsets(self) -> array[int]:
        """Where the mini-batches that are to run begin in the file; there may be millions."""
        offsets = array("q")
        with self.directory.work.open("rb") as file:
            offset = len(file.readline())
            for line in file:
                offsets.append(offset)
                offset += len(line)
        return offsets

    def at(self, offset: int) -> MiniBatch:
        with self.directory.work.open("rb") as file:
            file.seek(offset)
            return MiniBatch.from_json(json.loads(file.readline()))

    def to_do(self) -> Iterator[MiniBatch]:
        """The mini-batches that are to run, or have been run by workers."""
        with self.directory.work.open("rb") as file:
            file.readline()
            for line in file:
                yield MiniBatch.from_json(json.loads(line))

    def record(self, mini_batch: MiniBatch) -> Record | None:
        """The record of the last attempt at a mini-batch, with these data and settings."""
        record = read_record(self.directory.part(mini_batch.index))
        wanted = (mini_batch.fingerprint, self.config.fingerprint)
        return record if record and (record.data, record.settings) == wanted else None

    def final(self, mini_batch: MiniBatch) -> Record | None:
        """The record of a mini-batch that succeeded, or has no attempt and no items left to run."""
        record = self.record(mini_batch)
        if record is not None and record.error is not None:
            has_attempts = record.attempt <= self.max_retries
            if has_attempts or items_to_isolate(self.config, mini_batch, record):
                return None
        return record

    def _to_json(self) -> dict[str, Any]:
        return asdict(replace(self, config=replace(self.config, datastores={})))

    @classmethod
    def _from_json(cls, fields: dict[str, Any]) -> PreparedStep:
        delays = fields["delays"]
        return cls(
            **{
                **fields,
                "config": EntryConfig.from_json(fields["config"]),
                "datastores": tuple(fields["datastores"]),
                "inputs": tuple(fields["inputs"]),
                "delays": RetryDelays(**{**delays, "seconds": tuple(delays["seconds"])}),
                "thresholds": Thresholds(**fields["thresholds"]),
            }
        )
