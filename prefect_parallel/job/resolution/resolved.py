"""What runs: plain values, with every default filled in."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from prefect_parallel.errors import Problem
from prefect_parallel.job.files.requirements import Requirements
from prefect_parallel.job.format.types import MODEL_TYPES
from prefect_parallel.job.settings.parallel_settings import ParallelSettings
from prefect_parallel.job.settings.program_arguments import arguments
from prefect_parallel.job.syntax.expressions import fill, keep_given
from prefect_parallel.job.syntax.shell import quoted_command

MODEL_DIR = "AZUREML_MODEL_DIR"
"""The variable that holds the folder of a model; the model has its own name there."""


@dataclass(frozen=True)
class Literal:
    """A value of type "string", "integer", "number" or "boolean"."""

    value: str | int | float | bool
    type: str

    @property
    def text(self) -> str:
        """The value as a program gets it: `True`, `2.0`, `1e-05`."""
        return str(self.value)


@dataclass(frozen=True)
class Data:
    """A file, folder or table.

    Attributes:
        type: "uri_file", "uri_folder", "mltable" or a model type.
        mode: "ro_mount", "download", "direct", "eval_mount" or "eval_download".
        path: As written.
        location: Absolute local path, or the unchanged URL or name of an asset.
    """

    type: str
    mode: str
    path: str
    location: str


@dataclass(frozen=True)
class OutputOf:
    """The output of an earlier step, given by its full name."""

    step: str
    output: str
    type: str
    mode: str


@dataclass(frozen=True)
class Missing:
    """An input without a value.

    Attributes:
        left_out: Whether it is optional, and was not given; otherwise it has errors.
    """

    left_out: bool = False


Input: TypeAlias = Literal | Data | OutputOf | Missing


@dataclass(frozen=True)
class OutputAsset:
    """The name of a data asset; without a version, a new one."""

    name: str
    version: str | None


@dataclass(frozen=True)
class OutputSpec:
    """Where a step writes something.

    Attributes:
        type: "uri_file", "uri_folder", "mltable" or a model type.
        location: Where it is published: an absolute local path or a URL, which may still contain
            `${{name}}`, the run's name. None: it is only in the run directory.
        bound_to: The output of the pipeline that it is bound to.
        asset: The data asset that it becomes; None: none.
    """

    type: str
    location: str | None = None
    bound_to: str | None = None
    asset: OutputAsset | None = None


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


def path_of(step: str) -> tuple[str, ...]:
    """The path of a step in the pipeline's file: `("jobs", "a", "jobs", "b")` of `a.b`."""
    return tuple(key for name in step.split(".") for key in ("jobs", name))


@dataclass(frozen=True, kw_only=True)
class ResolvedStep:
    """The attributes that both types of step have.

    Attributes:
        name: Full name: that of a step in nested pipelines begins with theirs, as in `a.b.train`.
        environment_templates: Variables whose values name blocks or variables of Prefect.
        environment_expressions: Variables whose values name inputs or outputs of the step.
        requirements: Of the environment's conda file; None if there is none.
        build_context: The absolute path of the environment's Docker context, and that of its
            Dockerfile below it, if it is named; None if there is none.
        docker_options: Options of `docker run`, from `docker_args` and `shm_size`.
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
    environment_expressions: dict[str, str]
    environment: str | dict[str, Any] | None
    requirements: Requirements | None
    build_context: tuple[Path, str | None] | None
    docker_options: tuple[str, ...]

    def variables(self, values: Mapping[str, str]) -> dict[str, str]:
        """The environment variables, but for those that are templates.

        Args:
            values: Paths of data inputs and of outputs, by expression key: `inputs.model`,
                `outputs.rows`. Literals are added.
        """
        values = {**literal_values(self.inputs), **values}
        missing = set(missing_keys(self.inputs))
        filled = {
            name: fill(keep_given(text, missing), values)
            for name, text in self.environment_expressions.items()
        }
        return self.environment_variables | filled


@dataclass(frozen=True, kw_only=True)
class ParallelStep(ParallelSettings, ResolvedStep):
    """A parallel step, with its settings.

    Attributes:
        input_name: The name of the major input.
        code: Absolute local folder, or the one file that is the code.
        entry_script: Its path below that folder.
        program_arguments: As written.
        input_format: The format of the files of an input that is a table or has items, without an
            MLTable file; one of `INPUT_FORMATS`.
        append_row_to: Where the results of `run` are joined; None if only counts are kept.
        origins: Where each setting comes from: `YAML`, `component`, `program argument`, `override`
            or `default`.
    """

    input_name: str
    code: Path
    entry_script: str
    program_arguments: str
    append_row_to: AppendRowTo | None
    input_format: str | None = None
    origins: dict[str, str]

    def variables(self, values: Mapping[str, str]) -> dict[str, str]:
        """As for any step; with one input that is a model, also `AZUREML_MODEL_DIR`."""
        models = [
            values[f"inputs.{name}"]
            for name, value in self.inputs.items()
            if isinstance(value, (Data, OutputOf)) and value.type in MODEL_TYPES
        ]
        folder = {MODEL_DIR: os.path.dirname(models[0])} if len(models) == 1 else {}  # noqa: PTH120
        return folder | super().variables(values)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that apply, by name."""
        return {name: getattr(self, name) for name in self.origins}

    def arguments(self, values: Mapping[str, str]) -> list[str]:
        """The entry script's `sys.argv`, without its own name.

        Args:
            values: As for `variables`.
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
            values: As for `variables`.

        Raises:
            InvalidCommand: An expression has no value, or a value contains a NUL character.
        """
        return quoted_command(
            self.command,
            {**literal_values(self.inputs), **values},
            missing_keys(self.inputs),
        )


@dataclass(frozen=True)
class Graph:
    """The steps of a pipeline, by their full names.

    Attributes:
        steps: In an order in which they can run.
        after: Step -> the steps whose outputs it reads.
    """

    steps: dict[str, ParallelStep | CommandStep | PipelineStep]
    after: dict[str, set[str]]

    def names(self) -> Iterator[str]:
        """The names of all steps, those in a nested pipeline after its own."""
        for name, step in self.steps.items():
            yield name
            if isinstance(step, PipelineStep):
                yield from step.graph.names()

    def leaves(self) -> Iterator[ParallelStep | CommandStep]:
        """The parallel and command steps, those of nested pipelines included."""
        for step in self.steps.values():
            if isinstance(step, PipelineStep):
                yield from step.graph.leaves()
            else:
                yield step


@dataclass(frozen=True, kw_only=True)
class PipelineStep:
    """A nested pipeline.

    Attributes:
        sources: Output -> the step that writes it, and what it is called there.
    """

    name: str
    description: str | None
    inputs: dict[str, Input]
    outputs: dict[str, OutputSpec]
    sources: dict[str, tuple[str, str]]
    graph: Graph


@dataclass(frozen=True)
class ResolvedJob:
    """A pipeline job that can run.

    Attributes:
        force_rerun: Whether nothing of earlier runs is reused (True) or everything that can be
            (False); None: as the run's options say.
        outputs: The pipeline's outputs.
        warnings: What may be a mistake.
    """

    display_name: str
    description: str | None
    tags: dict[str, str | None]
    continue_on_step_failure: bool
    force_rerun: bool | None
    outputs: dict[str, OutputSpec]
    graph: Graph
    warnings: tuple[Problem, ...] = ()

    @property
    def steps(self) -> dict[str, ParallelStep | CommandStep]:
        """The parallel and command steps, in an order in which they can run, by full name."""
        return {step.name: step for step in self.graph.leaves()}
