"""What runs: plain values, every default filled in. Nothing here knows YAML or pydantic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from prefect_parallel.job.files.requirements import Requirements
from prefect_parallel.job.settings.program_arguments import PredefinedArguments, arguments
from prefect_parallel.job.shell import quoted_command


@dataclass(frozen=True)
class Literal:
    """A value in place.

    Attributes:
        value: The value.
        type: "string", "integer", "number" or "boolean".
    """

    value: str | int | float | bool
    type: str

    @property
    def text(self) -> str:
        """As a program gets it: `True`, `2.0`, `1e-05`."""
        return str(self.value)


@dataclass(frozen=True)
class Data:
    """A file, folder or table.

    Attributes:
        type: "uri_file", "uri_folder", "mltable" or a model type.
        mode: "ro_mount", "download", "direct", "eval_mount" or "eval_download".
        path: As written.
        location: Absolute local path, or the URL or asset name as it stands.
        datastore: The datastore that the author names beside the path.
    """

    type: str
    mode: str
    path: str
    location: str
    datastore: str | None = None


@dataclass(frozen=True)
class OutputOf:
    """The output of an earlier step."""

    step: str
    output: str
    type: str
    mode: str


@dataclass(frozen=True)
class Missing:
    """An optional input that was not given."""


Input: TypeAlias = Literal | Data | OutputOf | Missing


@dataclass(frozen=True)
class OutputSpec:
    """Where a step puts something.

    Attributes:
        type: "uri_file", "uri_folder", "mltable" or a model type.
        mode: "rw_mount", "upload" or "direct".
        path: Where the author wants it; `${{name}}`, which only a run has, may still be in it.
    """

    type: str
    mode: str
    path: str | None = None


@dataclass(frozen=True)
class AppendRowTo:
    """Where a parallel step's rows go: an output, or a file below it."""

    output: str
    subpath: str | None = None


def literal_values(inputs: Mapping[str, Input]) -> dict[str, str]:
    """Expression key -> text, for the literals among the inputs."""
    return {
        f"inputs.{name}": value.text for name, value in inputs.items() if isinstance(value, Literal)
    }


def missing_keys(inputs: Mapping[str, Input]) -> Iterable[str]:
    """Expression keys of the inputs that were not given."""
    return [f"inputs.{name}" for name, value in inputs.items() if isinstance(value, Missing)]


@dataclass(frozen=True, kw_only=True)
class ResolvedStep:
    """What both kinds of steps have.

    Attributes:
        environment_templates: Variables whose values name what Prefect keeps, secrets among it.
        requirements: Of the environment's conda file; None if there is none.
    """

    name: str
    display_name: str
    description: str | None
    tags: dict[str, Any]
    inputs: dict[str, Input]
    outputs: dict[str, OutputSpec]
    compute: str | None
    environment_variables: dict[str, str]
    environment_templates: dict[str, str]
    environment: str | dict[str, Any] | None
    requirements: Requirements | None


@dataclass(frozen=True, kw_only=True)
class ParallelStep(ResolvedStep):
    """A parallel step.

    Attributes:
        input_name: The major input's name.
        mini_batch_size: Files, or bytes of a table; None for the default of its kind.
        max_concurrency_per_instance: Slots of a node; None: the node decides.
        error_threshold: Failed items ignored; the program argument, if there is one.
        timeout: Of one `run`, in seconds.
        code: Absolute local folder, or the one file that is the code.
        program_arguments: As written.
        predefined: Those of them that set the run itself, with their defaults.
        origins: Where each setting comes from: `YAML`, `component`, `program argument`, `override`
            or `default`.
    """

    input_name: str
    mini_batch_size: int | None
    partition_keys: tuple[str, ...]
    instance_count: int
    max_concurrency_per_instance: int | None
    mini_batch_error_threshold: int
    error_threshold: int
    max_retries: int
    timeout: int
    logging_level: str
    code: Path
    entry_script: str
    program_arguments: str
    predefined: PredefinedArguments
    append_row_to: AppendRowTo | None
    origins: dict[str, str]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings in force, by name, those from program arguments included."""
        own = {name: getattr(self, name) for name in self.origins if hasattr(self, name)}
        return {**vars(self.predefined), **own}

    def arguments(self, values: Mapping[str, str]) -> list[str]:
        """What the entry script finds in `sys.argv` after its own name.

        Args:
            values: Paths of data inputs and of outputs, by expression key: `inputs.model`,
                `outputs.rows`. Literals need not be given.
        """
        return arguments(
            self.program_arguments,
            {**literal_values(self.inputs), **values},
            missing_keys(self.inputs),
        )


@dataclass(frozen=True, kw_only=True)
class CommandStep(ResolvedStep):
    """A command step.

    Attributes:
        command: As written.
        code: Absolute local folder or file, copied to where the command runs.
        timeout: In seconds; None for no limit.
    """

    command: str
    code: Path | None
    timeout: int | None

    def shell_command(self, values: Mapping[str, str]) -> str:
        """What `bash -c` runs, with values as quoted variables.

        Args:
            values: As for `ParallelStep.arguments`.

        Raises:
            InvalidCommand: An expression has no value, or a value contains a NUL character.
        """
        return quoted_command(
            self.command,
            {**literal_values(self.inputs), **values},
            missing_keys(self.inputs),
        )


@dataclass(frozen=True)
class ResolvedJob:
    """A pipeline job that can run.

    Attributes:
        steps: In an order in which each comes after those whose outputs it reads.
        graph: Step -> the steps whose outputs it reads.
        outputs: The pipeline's outputs.
    """

    display_name: str
    description: str | None
    tags: dict[str, str | None]
    continue_on_step_failure: bool
    default_datastore: str | None
    outputs: dict[str, OutputSpec]
    steps: dict[str, ParallelStep | CommandStep]
    graph: dict[str, set[str]] = field(default_factory=dict)
