"""Reads the files of a run directory.

The run may still be active, or have been killed: what is missing or incomplete is left out.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.layout import RunDirectory, StepDirectory
from prefect_parallel.output.attempts import Attempt, Attempts, Span
from prefect_parallel.output.timestamps import parse_timestamp

_HEAD = re.compile(r"^(?P<time>\d{4}-\S+Z) (?P<node>\S+) (?P<process>\S+): (?P<rest>.*)$")
_ATTEMPT = re.compile(r"^mini-batch (?P<index>\d+), attempt (?P<attempt>\d+) \(")
_OUTSIDE = "outside any mini-batch: "


class NoSuchRun(PrefectParallelError):
    """A run directory does not exist, or is not one."""


@dataclass(slots=True)
class Startup(Span):
    """The start of an entry process, with its imports and `init`."""


@dataclass(frozen=True)
class ProcessEnd:
    """The end of an entry process.

    Attributes:
        peak_memory: The most resident memory that it used, in bytes.
        reason: Empty at the end of the step.
    """

    node: str
    process: str
    mini_batches: int
    peak_memory: int
    reason: str


@dataclass(frozen=True)
class ScriptError:
    """A failure outside any mini-batch: the import, `init` or `shutdown`."""

    node: str
    process: str
    error: str
    traceback: str


@dataclass(frozen=True)
class Sample:
    """The resource usage of a node at one time."""

    seconds: float
    cpu_percent: float
    memory_used: float
    memory_total: float


@dataclass(frozen=True)
class StepLog:
    """One step of a run.

    Attributes:
        result: `job_result.txt`; empty if there is none yet, and for a command step.
        startups: The starts of entry processes.
        ends: Their ends, as far as the node saw them.
        failed: The lines of `failed_mini_batches.jsonl` by mini-batch.
        failed_items: The lines of `failed_items.jsonl`.
        script_errors: In the order in which they happened in each process.
        usage: The samples of each node.
    """

    name: str
    directory: StepDirectory
    result: dict[str, Any]
    attempts: Attempts
    startups: list[Startup]
    ends: list[ProcessEnd]
    failed: dict[int, dict[str, Any]]
    failed_items: list[dict[str, Any]]
    script_errors: list[ScriptError]
    usage: dict[str, list[Sample]]

    @property
    def is_command(self) -> bool:
        return self.directory.command_log.exists()

    def traceback(self, attempt: Attempt) -> str:
        """What the node logged about a failed attempt, without the first line."""
        path = self.directory.process(attempt.node, attempt.process).errors
        for head, text in _error_entries(path):
            found = _ATTEMPT.match(head)
            if found and (int(found["index"]), int(found["attempt"])) == (
                attempt.mini_batch,
                attempt.attempt,
            ):
                return text
        return ""


@dataclass(frozen=True)
class RunLog:
    """A run with the steps that have left files, in the order of the pipeline."""

    directory: RunDirectory
    job: dict[str, Any] = field(default_factory=dict)
    steps: list[StepLog] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.directory.root.absolute().name


def existing_run(directory: RunDirectory) -> RunDirectory:
    """The same directory, if it is that of a run.

    Raises:
        NoSuchRun: The directory does not exist, or is not a run directory.
    """
    if not directory.root.is_dir():
        raise NoSuchRun(f"there is no run {directory.root}", hint=directory.similar())
    if not directory.job_file.exists():
        raise NoSuchRun(
            f"{directory.root} is not a run directory: it has no job.yml", hint=directory.similar()
        )
    return directory


def read_run(directory: RunDirectory) -> RunLog:
    """Read a run; errors as for `existing_run`."""
    existing_run(directory)
    job = _yaml(directory.job_file)
    jobs = job.get("jobs")
    planned = list(jobs) if isinstance(jobs, dict) else []
    steps = [read_step(name, directory.step(name)) for name in directory.step_names()]
    steps.sort(key=lambda step: planned.index(step.name) if step.name in planned else len(planned))
    return RunLog(directory, job, steps)


def read_step(name: str, directory: StepDirectory) -> StepLog:
    """Read the files that a step has left so far."""
    script_errors = [
        ScriptError(node, process, head.removeprefix(_OUTSIDE), text)
        for node, process in directory.processes()
        for head, text in _error_entries(directory.process(node, process).errors)
        if head.startswith(_OUTSIDE)
    ]
    nodes = directory.nodes()
    return StepLog(
        name=name,
        directory=directory,
        result=_yaml(directory.job_result),
        attempts=read_attempts(directory),
        startups=[each for node in nodes for each in _startups(directory.startup(node), node)],
        ends=[each for node in nodes for each in _ends(directory.process_ends(node), node)],
        failed={each["mini_batch"]: each for each in _failed(directory.failed_mini_batches)},
        failed_items=list(_failed(directory.failed_items)),
        script_errors=script_errors,
        usage={node: list(_samples(directory.perf(node).node)) for node in nodes},
    )


def read_attempts(directory: StepDirectory) -> Attempts:
    """The attempts that a step's nodes have logged so far."""
    return Attempts(
        (node, process, read_lines(directory.process(node, process).attempts))
        for node, process in directory.processes()
    )


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a log, which may hold any bytes; none if the file does not exist."""
    try:
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            for line in file:
                yield line.rstrip("\n")
    except FileNotFoundError:
        return


def _error_entries(path: Path) -> Iterator[tuple[str, str]]:
    """The first line and the remaining text of each failure in a process's error file."""
    head, text = "", list[str]()
    for line in read_lines(path):
        found = _HEAD.match(line)
        begins = found is not None and found["rest"].startswith((_OUTSIDE, "mini-batch "))
        if not begins:
            text.append(line)
            continue
        if head:
            yield head, "\n".join(text).strip("\n")
        assert found is not None
        head, text = found["rest"], []
    if head:
        yield head, "\n".join(text).strip("\n")


def _failed(path: Path) -> Iterator[dict[str, Any]]:
    for line in read_lines(path):
        try:
            record = json.loads(line)
            yield {**record, "mini_batch": int(record["mini_batch"]), "error": str(record["error"])}
        except (ValueError, KeyError, TypeError):
            continue


def _startups(path: Path, node: str) -> Iterator[Startup]:
    for row in _rows(path):
        try:
            yield Startup(
                node=node,
                process=row["process"],
                started_at=parse_timestamp(row["started_at"]),
                seconds=float(row["seconds"]),
                error=row["error"] or None,
            )
        except (KeyError, ValueError, TypeError, AttributeError):
            continue


def _ends(path: Path, node: str) -> Iterator[ProcessEnd]:
    for row in _rows(path):
        try:
            yield ProcessEnd(
                node=node,
                process=row["process"],
                mini_batches=int(row["mini_batches"]),
                peak_memory=int(row["peak_memory_bytes"]),
                reason=row["reason"],
            )
        except (KeyError, ValueError, TypeError):
            continue


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        yield from csv.DictReader(line.replace("\0", "") for line in read_lines(path))
    except csv.Error:
        return


def _samples(path: Path) -> Iterator[Sample]:
    for row in _rows(path):
        try:
            yield Sample(
                seconds=parse_timestamp(row["time"]),
                cpu_percent=float(row["cpu_percent"]),
                memory_used=float(row["memory_used_bytes"]),
                memory_total=float(row["memory_total_bytes"]),
            )
        except (KeyError, ValueError, TypeError):
            continue


def _yaml(path: Path) -> dict[str, Any]:
    try:
        value = yaml.safe_load("\n".join(read_lines(path)))
    except yaml.YAMLError:
        return {}
    return value if isinstance(value, dict) else {}
