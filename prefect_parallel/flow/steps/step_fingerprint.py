"""What decides the results of a step, except for the data of its mini-batches."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from prefect_parallel.atomic_write import atomic_write
from prefect_parallel.entry.environment_builder import interpreter_for
from prefect_parallel.entry.function_file import FunctionHeader
from prefect_parallel.entry.installed_packages import installed_packages
from prefect_parallel.flow.run.comparison import Comparison
from prefect_parallel.flow.run.environments import Environments
from prefect_parallel.flow.run.step_data import (
    UNVERSIONED,
    StepData,
    aggregated_output,
    delimiter_of,
    output_name_of,
)
from prefect_parallel.flow.server.placeholders import look_up
from prefect_parallel.job import CommandStep, OutputOf, ParallelStep
from prefect_parallel.job.resolution.resolved import literal_values
from prefect_parallel.job.syntax.expressions import find
from prefect_parallel.layout import FUNCTION_SUFFIX
from prefect_parallel.output.fingerprint import of_code, of_json, of_text
from prefect_parallel.output.formats import format_for
from prefect_parallel.output.part import PART_FORMAT, Record

COMPARISON = "comparison of data"

NO_VERSION = "may have changed without another modification time or ETag"

BLOCK = "prefect.blocks."
"""In a template that names a block. The digest of a value could give a short secret away."""

NAMED = 3
"""How many files, inputs or packages a difference names of each kind."""


@dataclass(frozen=True)
class StepFingerprint:
    """What decides the results of a step. It is kept in the run directory, for later runs.

    Attributes:
        pipeline: The title of the pipeline.
        output: The aggregated output, relative to the folder of outputs; None if there is none.
        settings: What is compared, by what a message calls it: a value, or fingerprints by name.
        packages: The installed packages, which only reusing compares: to install one and resume is
            common.
    """

    pipeline: str
    output: str | None
    settings: dict[str, Any]
    packages: dict[str, str]

    @classmethod
    def of(
        cls,
        pipeline: str,
        data: StepData,
        values: dict[str, str],
        environments: Environments,
        compared: Comparison,
        reader: dict[str, Any] | None = None,
    ) -> StepFingerprint:
        """That of a step, from the snapshot of its code.

        Args:
            values: Those of its data.
            reader: How the major input of a parallel step is read.

        Raises:
            InvalidInput: Remote data cannot be accessed.
        """
        step = data.step
        output = None
        if isinstance(step, ParallelStep):
            output = aggregated_output(step, data.directory)
            own = _of_parallel(step, data, values, compared, reader)
        else:
            own = _of_command(step, data, values, compared)
        relative = None if output is None else output.relative_to(data.directory.outputs).as_posix()
        variables = step.variables(values) | _looked_up(step.environment_templates)
        texts = {name: of_text(compared.normalized(text)) for name, text in variables.items()}
        both = {
            COMPARISON: _comparison(step, compared),
            "format of parts": PART_FORMAT,
            "environment variables": texts,
            "environment": environments.key(step),
        }
        in_container = environments.image_of(data) is not None
        interpreter = None if in_container else interpreter_for(environments.of(step))
        packages = installed_packages(interpreter)
        return cls(pipeline, relative, compared.normalized({**own, **both}), packages)

    @cached_property
    def settings_digest(self) -> str:
        return of_json(self.settings)

    @cached_property
    def packages_digest(self) -> str:
        return of_json(self.packages)

    def holds(self, record: Record | None, data: str, index: int) -> bool:
        """Whether the result of an earlier run is that of a mini-batch of this one."""
        return (
            record is not None
            and record.packages == self.packages_digest
            and record.holds_for(data, self.settings_digest)
            and record.may_be_at(index)
            and not record.output_dir
        )

    @property
    def unversioned(self) -> list[str]:
        """The inputs that may have changed without another fingerprint."""
        inputs: dict[str, str] = self.settings["inputs"]
        return [name for name, text in inputs.items() if text.startswith(UNVERSIONED)]

    def is_equal_to(self, other: StepFingerprint) -> bool:
        """Whether both give the same results."""
        return (self.settings, self.packages) == (other.settings, other.packages)

    def changes_since(self, earlier: StepFingerprint, *, packages: bool = True) -> str:
        """What has changed: `code (score.py), packages (numpy 2.0 -> 2.1)`; empty if nothing."""
        now, before = self.settings, earlier.settings
        changes = [
            _named(kind, before.get(kind), now[kind])
            for kind in now
            if before.get(kind) != now[kind]
        ]
        if packages and self.packages != earlier.packages:
            versions = _versions(earlier.packages, self.packages)
            changes.append(f"packages ({_listed(list(versions))})")
        return ", ".join(changes)

    def write(self, path: Path) -> None:
        with atomic_write(path) as file:
            file.write(json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, path: Path) -> StepFingerprint | None:
        """What `write` wrote; None if there is no such file, or it is broken."""
        try:
            found = cls(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None
        is_valid = isinstance(found.settings, dict) and isinstance(found.packages, dict)
        return found if is_valid else None


def _of_parallel(
    step: ParallelStep,
    data: StepData,
    values: dict[str, str],
    compared: Comparison,
    reader: dict[str, Any] | None,
) -> dict[str, Any]:
    return {
        "code": _code(data.directory.code, step.entry_script),
        "entry script": step.entry_script,
        "input": step.input_name,
        "arguments": step.arguments(values),
        "way of reading": reader,
        "inputs": data.fingerprints(compared, but=step.input_name),
        "output format": step.append_row_to and type(format_for(output_name_of(step))).__name__,
        "header": step.append_row_dataframe_header,
        "delimiter": delimiter_of(step),
        "check of item counts": checks_item_count(step),
    }


def _of_command(
    step: CommandStep, data: StepData, values: dict[str, str], compared: Comparison
) -> dict[str, Any]:
    used = {".".join(each.words) for each in find(step.command)}
    known = {**literal_values(step.inputs), **values}
    return {
        "code": of_code(data.directory.code),
        "command": step.command,
        "values": {key: text for key, text in known.items() if key in used},
        "inputs": data.fingerprints(compared),
    }


def checks_item_count(step: ParallelStep) -> bool:
    """Whether `run` must return each item; the "many models" kind stores its output itself."""
    return step.check_item_count and not (step.partition_keys and step.append_row_to is None)


def _looked_up(templates: Mapping[str, str]) -> dict[str, str]:
    """What is compared of variables that Prefect keeps: the text with a block, else the value."""
    of_blocks = {name: text for name, text in templates.items() if BLOCK in text}
    return look_up({name: templates[name] for name in templates.keys() - of_blocks}) | of_blocks


def _code(folder: Path, entry_script: str) -> dict[str, str]:
    if entry_script.endswith(FUNCTION_SUFFIX):
        return {entry_script: FunctionHeader.of(folder / entry_script).fingerprint}
    return of_code(folder)


def _comparison(step: ParallelStep | CommandStep, compared: Comparison) -> str:
    if compared.by_content:
        return "content"
    reads_outputs = any(isinstance(source, OutputOf) for source in step.inputs.values())
    by_content = compared.outputs_by_content and reads_outputs
    return "time, of outputs of steps content" if by_content else "time"


def _named(kind: str, before: Any, now: Any) -> str:
    """A change, with the names of what has changed where there are any."""
    if not isinstance(before, Mapping) or not isinstance(now, Mapping) or kind == "way of reading":
        return kind
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return f"{kind} ({_listed(names)})"


def _versions(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({**before, **now}):
        old, new = before.get(name, "none"), now.get(name, "none")
        if old != new:
            yield f"{name} {old} -> {new}"


def _listed(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
