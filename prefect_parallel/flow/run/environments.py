"""The Python that steps run on: the current one, or one that is built for them."""

from __future__ import annotations

import platform
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Literal, TypeAlias

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from prefect_parallel.entry.environment_builder import build_environment, interpreter_for
from prefect_parallel.entry.environment_spec import NEEDED, PYTHON_NEEDED, EnvironmentSpec
from prefect_parallel.entry.image import Image
from prefect_parallel.errors import EnvironmentBuildFailed
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.run.step_data import StepData
from prefect_parallel.flow.run.unmet_requirements import unmet_requirements
from prefect_parallel.job import CommandStep, ParallelStep, Requirements

Step: TypeAlias = ParallelStep | CommandStep
Choice: TypeAlias = Literal["this", "build", "container"]

LEFT_OUT = frozenset({"azureml-dataset-runtime"})
"""Packages of Azure ML's own runner, which exclude the versions of pyarrow that are needed."""

PYTHONS = tuple(f"3.{minor}.{patch}" for minor in range(30) for patch in range(30))
"""All possible versions."""

_LOCAL = re.compile(r"(-e|--editable|\.{0,2}/|file:).*|.*@\s*file:.*")


@dataclass(frozen=True)
class ShellProcess:
    """The process of a shell command.

    Attributes:
        command: Its command line.
        variables: All of its environment variables.
        removal: Command line that ends what is no descendant of the process, however that ended.
    """

    command: Sequence[str]
    variables: Mapping[str, str]
    removal: Sequence[str] = ()


class Environments:
    """`--environment this`: steps run on the interpreter of their node."""

    def prepare(self, steps: Iterable[Step], observer: Observer) -> list[str]:
        """Prepare the environments of a run before any step starts; returns warnings for the user.

        Raises:
            EnvironmentBuildFailed: The environment of a step cannot be built.
        """
        steps = list(steps)
        asked = {step.requirements for step in steps if step.requirements is not None}
        lines = dict.fromkeys(line for each in asked for line in _of_source(each))
        notes = _without_container(steps)
        if lines:
            notes.append(
                f"this interpreter does not meet {'; '.join(sorted(lines))}; with --environment"
                " build steps get one that does"
            )
        return notes

    def of(self, step: Step) -> EnvironmentSpec | None:
        """The environment that is built for a step; None: it runs in that of its node."""
        return None

    def image_of(self, data: StepData) -> Image | None:
        """The image of the containers of a step's entry processes; None: they have none."""
        return None

    def key(self, step: Step) -> str | None:
        """What tells a step's environment from others; None: it is that of its node."""
        environment = self.of(step)
        return None if environment is None else environment.key

    def shell_process(
        self, step: CommandStep, command: str, given: Mapping[str, str], data: StepData
    ) -> ShellProcess:
        """How to run a shell command of a step; `python` on its `PATH` is the interpreter.

        Args:
            given: The step's own environment variables.
            data: What the step reads and writes.
        """
        interpreter = interpreter_for(self.of(step))
        return ShellProcess(["bash", "-c", command], interpreter.variables(given))


class BuiltEnvironments(Environments):
    """`--environment build`: steps with a conda file run on an interpreter built from it."""

    def prepare(self, steps: Iterable[Step], observer: Observer) -> list[str]:
        steps = list(steps)
        for step in steps:
            self._build(step, f"the environment of step {step.name}", observer)
        return [
            *_without_container(steps),
            *(
                f"step {step.name} names no conda file: it runs on this interpreter"
                for step in steps
                if step.requirements is None
            ),
        ]

    def of(self, step: Step) -> EnvironmentSpec | None:
        return environment_of(step)

    def _build(self, step: Step, what: str, observer: Observer) -> None:
        try:
            environment = self.of(step)
            if environment is not None:
                build_environment(environment, lambda line: observer.waiting(f"{what}: {line}"))
        except EnvironmentBuildFailed as error:
            raise EnvironmentBuildFailed(f"{what} cannot be built: {error}") from error


def environment_of(step: Step) -> EnvironmentSpec | None:
    """The environment for the requirements of a step; None if it has none.

    Entry processes add their own; commands need nothing of this package.

    Raises:
        EnvironmentBuildFailed: A requirement is a local package, or its version is invalid or
            does not suit entry processes.
    """
    requirements = step.requirements
    if requirements is None:
        return None
    pip = tuple(line for line in requirements.pip if _name(line) not in LEFT_OUT)
    for line in pip:
        if _LOCAL.fullmatch(line):
            raise EnvironmentBuildFailed(
                f"{requirements.source}: {line}: local packages cannot be cached, because changes"
                " to them are not noticed; publish it to an index, or put its modules into the code"
                " folder"
            )
    is_parallel = isinstance(step, ParallelStep)
    return EnvironmentSpec(
        _python(requirements, PYTHON_NEEDED if is_parallel else ""),
        (*(_needed_here() if is_parallel else ()), *pip),
        tuple(spec.text for spec in requirements.conda),
        requirements.channels,
        imports=tuple(NEEDED.values()) if is_parallel else (),
    )


def _without_container(steps: Iterable[Step]) -> list[str]:
    return [
        f"step {step.name}: {shlex.join(step.docker_options)} has no effect without --environment"
        " container"
        for step in steps
        if step.docker_options
    ]


def _of_source(requirements: Requirements) -> Iterator[str]:
    lines = unmet_requirements(requirements)
    if lines:
        yield f"{', '.join(lines)} of {requirements.source}"


def _python(requirements: Requirements, needed: str) -> str:
    """The Python versions that suit both a step and what runs there."""
    ours = platform.python_version()
    minor = ours.rpartition(".")[0]
    asked = requirements.python.versions if requirements.python else ()
    try:
        choices = [SpecifierSet(versions) for versions in asked]
    except InvalidSpecifier as error:
        raise EnvironmentBuildFailed(f"{requirements.source}: python: {error}") from error
    choices = [each & SpecifierSet(needed) for each in choices or [SpecifierSet(f"=={minor}.*")]]
    fits = [each for each in choices if each.contains(ours, prereleases=True)]
    possible = [each for each in choices if any(map(each.contains, PYTHONS))]
    if not possible:
        raise EnvironmentBuildFailed(
            f"{requirements.source}: {', '.join(asked)}: an entry process needs Python {needed}"
        )
    return str((fits or possible)[0])


def _needed_here() -> list[str]:
    """The requirements of this package that entry processes need."""
    own = metadata.requires("prefect-parallel") or []
    return [text for text in own if _name(text) in NEEDED]


def _name(line: str) -> str | None:
    """The package of a line for pip; None if the line names none."""
    try:
        return canonicalize_name(Requirement(line).name)
    except InvalidRequirement:
        return None
