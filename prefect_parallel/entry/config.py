"""What a node must know to run a step's entry script."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect_parallel.data import MiniBatch
from prefect_parallel.entry.environment_spec import EnvironmentSpec
from prefect_parallel.layout import ProcessLogs, StepDirectory
from prefect_parallel.output.fingerprint import of_json
from prefect_parallel.output.part import Record, read_record


@dataclass(frozen=True)
class EntryConfig:
    """The same for all nodes and entry processes of a step.

    Attributes:
        step_directory: The step's directory in the run directory.
        code: The snapshot that the entry script runs in.
        entry_script: Its path below `code`.
        arguments: `sys.argv` after the script's name.
        environment_variables: Set before the script is imported.
        environment_templates: More of them, whose values a node looks up when it starts a process.
        environment: What to build an interpreter from; None for that of the node.
        logging_level: DEBUG, INFO or WARNING.
        input_name: The major input's.
        reader: How mini-batches are read, as the plan decided.
        datastores: Those that URLs of data name, with the keys to them: never shown, never in a
            file.
        fetch: URLs of remote inputs whose local copies the arguments name.
        output_file: The aggregated output's file name, which decides the format of the parts; None
            if returned rows are only counted.
        checks_item_count: Whether a mini-batch fails if `run` returns fewer items than it holds.
        slots: How many entry processes a node runs at a time.
        gpus: How many of a node's GPUs are used; None: all.
        timeout: Seconds for one call of `run`.
        task_overhead_timeout: Seconds to load a mini-batch, and to write its part.
        first_task_creation_timeout: Seconds for a process to start and to finish `init`.
        resource_monitor_interval: Seconds between two samples of what a node uses; 0 for none.
        profiles: Whether `init` and `run` are profiled.
        fingerprint: Of code, arguments and whatever else decides what `run` returns, but for the
            mini-batch.
    """

    step_directory: str
    code: str
    entry_script: str
    arguments: tuple[str, ...]
    environment_variables: dict[str, str]
    environment_templates: dict[str, str]
    environment: EnvironmentSpec | None
    logging_level: str
    input_name: str
    reader: dict[str, Any]
    datastores: dict[str, Any] = field(repr=False)
    fetch: tuple[str, ...]
    output_file: str | None
    checks_item_count: bool
    slots: int
    gpus: int | None
    timeout: float
    task_overhead_timeout: float
    first_task_creation_timeout: float
    resource_monitor_interval: float
    profiles: bool
    fingerprint: str

    @property
    def directory(self) -> StepDirectory:
        return StepDirectory(Path(self.step_directory))

    def new_record(self, name: ProcessName, mini_batch: MiniBatch, attempt: int) -> Record:
        """The record of an attempt that begins now."""
        return Record(
            index=mini_batch.index,
            attempt=attempt,
            items=None,
            succeeded=0,
            data=of_json(mini_batch.to_json()),
            settings=self.fingerprint,
            inputs=mini_batch.describe(),
            node=name.node,
            process=name.process,
            started_at=time.time(),
        )

    def committed(self, mini_batch: MiniBatch) -> Record | None:
        """The record of a mini-batch that has succeeded and need not run again."""
        record = read_record(self.directory.part(mini_batch.index))
        data = of_json(mini_batch.to_json())
        return record if record and record.holds_for(data, self.fingerprint) else None

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> EntryConfig:
        lists = {name: tuple(fields[name]) for name in ("arguments", "fetch")}
        environment = fields["environment"] and EnvironmentSpec.from_json(fields["environment"])
        return cls(**{**fields, **lists, "environment": environment})


@dataclass(frozen=True)
class ProcessName:
    """Which entry process: `node-0`, `process003`."""

    node: str
    process: str

    def logs(self, directory: StepDirectory) -> ProcessLogs:
        return directory.process(self.node, self.process)
