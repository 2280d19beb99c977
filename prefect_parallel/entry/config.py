"""Configuration of a node for the entry script of a step."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from prefect_parallel.data import MiniBatch
from prefect_parallel.entry.attempt_request import AttemptRequest
from prefect_parallel.entry.environment_spec import EnvironmentSpec
from prefect_parallel.entry.image import Image
from prefect_parallel.layout import ProcessLogs, StepDirectory
from prefect_parallel.output.part import Record, read_record
from prefect_parallel.output.root_cause import error_after


@dataclass(frozen=True)
class EntryConfig:
    """Configuration shared by all nodes and entry processes of a step.

    Attributes:
        step_directory: Directory of the step in the run directory.
        code: Snapshot of the code folder.
        entry_script: Path of the script in `code`.
        arguments: `sys.argv` after the script's name.
        environment_variables: Variables that are set before the script is imported.
        environment_templates: Variables whose values a node looks up before it starts processes.
        environment: What to build an interpreter from; None for the node's interpreter.
        image: The image of the container in which processes run; None: they run on the node.
        logging_level: DEBUG, INFO or WARNING.
        input_name: Name of the major input.
        reader: How mini-batches are read, from the plan.
        datastores: Datastores of the data's URLs, with credentials. Never printed or written.
        fetch: URLs of remote inputs whose local copies the arguments refer to.
        folder_outputs: Names of the outputs that files of `output_dir` may belong to.
        output_file: File name of the aggregated output, which determines the format of parts; None
            if returned rows are only counted.
        delimiter: What separates the cells of DataFrames in a text output.
        checks_item_count: Whether a mini-batch fails if `run` returns fewer items than it holds.
        slots: Number of concurrent entry processes on a node.
        gpus: Number of GPUs used on a node; None for all.
        timeout: Seconds for one call of `run`.
        task_overhead_timeout: Seconds to load a mini-batch, and to write its part.
        first_task_creation_timeout: Seconds for a process to start and finish `init`.
        resource_monitor_interval: Seconds between two samples of resource usage; 0 for none.
        profiles: Whether `init` and `run` are profiled.
        prefetch: Whether a process loads its next mini-batch while `run` works on this one.
        max_mini_batches_per_process: Number of mini-batches after which a process is replaced.
        max_process_memory: Limit of a process's resident memory in bytes.
        fingerprint: Digest of everything except the mini-batch that determines what `run` returns,
            such as code and arguments.
        isolates_failed_items: Whether failed mini-batches are run in pieces.
        error_threshold: Number of failed items after which none are isolated; -1: unlimited.
        packages: Digest of the installed packages.
        packs: Name of the folder for packs; empty: each part gets a file of its own.
    """

    step_directory: str
    code: str
    entry_script: str
    arguments: tuple[str, ...]
    environment_variables: dict[str, str]
    environment_templates: dict[str, str]
    environment: EnvironmentSpec | None
    image: Image | None
    logging_level: str
    input_name: str
    reader: dict[str, Any]
    datastores: dict[str, Any] = field(repr=False)
    fetch: tuple[str, ...]
    folder_outputs: tuple[str, ...]
    output_file: str | None
    delimiter: str
    checks_item_count: bool
    slots: int
    gpus: int | None
    timeout: float
    task_overhead_timeout: float
    first_task_creation_timeout: float
    resource_monitor_interval: float
    profiles: bool
    prefetch: bool
    max_mini_batches_per_process: int | None
    max_process_memory: int | None
    fingerprint: str
    isolates_failed_items: bool
    error_threshold: int
    packages: str
    packs: str = ""

    @cached_property
    def directory(self) -> StepDirectory:
        return StepDirectory(Path(self.step_directory))

    def new_record(self, name: ProcessName, request: AttemptRequest) -> Record:
        """The record of an attempt that starts now."""
        mini_batch = request.mini_batch
        return Record(
            index=mini_batch.index,
            attempt=request.number,
            items=None,
            succeeded=0,
            data=mini_batch.fingerprint,
            settings=self.fingerprint,
            packages=self.packages,
            inputs=mini_batch.describe(),
            node=name.node,
            process=name.process,
            started_at=time.time(),
        )

    def committed(self, mini_batch: MiniBatch) -> Record | None:
        """The record of a mini-batch that has succeeded before with the same data and settings."""
        record = read_record(self.directory.part(mini_batch.index))
        holds = record and record.holds_for(mini_batch.fingerprint, self.fingerprint)
        return record if holds else None

    def failed(self, record: Record, error: str, traceback_file: str | None = None) -> Record:
        """The record of a failed attempt, its error in one line.

        If the first attempt failed of another cause, the error names both, and the log is that of
        the first.
        """
        before = read_record(self.directory.part(record.index)) if record.attempt > 1 else None
        if before is not None and before.error is not None and before.attempt < record.attempt:
            own, error = error, error_after(before.error, error, record.attempt)
            if error != own:
                traceback_file = before.traceback_file
        return dataclasses.replace(record, error=error, traceback_file=traceback_file)

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> EntryConfig:
        lists = {name: tuple(fields[name]) for name in ("arguments", "fetch", "folder_outputs")}
        environment = fields["environment"] and EnvironmentSpec.from_json(fields["environment"])
        image = fields["image"] and Image.from_json(fields["image"])
        return cls(**{**fields, **lists, "environment": environment, "image": image})


@dataclass(frozen=True)
class ProcessName:
    """Name of an entry process, e.g. `node-0` and `process003`."""

    node: str
    process: str

    def logs(self, directory: StepDirectory) -> ProcessLogs:
        return directory.process(self.node, self.process)
