"""What steps run on: the interpreter that is there, or one that is built for them."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import Literal, TypeAlias

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from prefect_parallel.entry.environment_builder import build_environment, interpreter_for
from prefect_parallel.entry.environment_spec import NEEDED, EnvironmentSpec
from prefect_parallel.entry.interpreter import Interpreter
from prefect_parallel.errors import EnvironmentBuildFailed
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.run.unmet_requirements import unmet_requirements
from prefect_parallel.job import CommandStep, ParallelStep, Requirements

Step: TypeAlias = ParallelStep | CommandStep
Choice: TypeAlias = Literal["this", "build"]

LEFT_OUT = frozenset({"azureml-dataset-runtime"})
"""What Azure ML's own runner is made of; it is not for the versions of pyarrow that we need."""

PYTHONS = tuple(f"3.{minor}.{patch}" for minor in range(30) for patch in range(30))
"""All versions that there may be."""

_LOCAL = re.compile(r"(-e|--editable|\.{0,2}/|file:).*|.*@\s*file:.*")


class Environments:
    """`this`: every step runs on the interpreter of its node, whatever it asks for."""

    def prepare(self, steps: Iterable[Step], observer: Observer) -> list[str]:
        """Get ready for steps, before any of them starts.

        Args:
            steps: All of a run.
            observer: Is told what is waited for.

        Returns:
            What the user should be warned of.

        Raises:
            EnvironmentBuildFailed: A step cannot have what it asks for.
        """
        asked = {step.requirements for step in steps if step.requirements is not None}
        lines = dict.fromkeys(line for each in asked for line in _of_source(each))
        if not lines:
            return []
        return [
            f"this interpreter does not meet {'; '.join(sorted(lines))}; with --environment build"
            " steps get one that does"
        ]

    def of(self, step: Step) -> EnvironmentSpec | None:
        """The environment that a step runs in; None for that of its node."""
        return None

    def interpreter(self, step: Step) -> Interpreter:
        """What a step's command finds as `python`, on this machine."""
        return interpreter_for(self.of(step))


class BuiltEnvironments(Environments):
    """`build`: a step with a conda file runs on an interpreter that is built from it."""

    def prepare(self, steps: Iterable[Step], observer: Observer) -> list[str]:
        notes = []
        for step in steps:
            if step.requirements is None:
                notes.append(f"step {step.name} names no conda file: it runs on this interpreter")
            else:
                _build(step.requirements, f"the environment of step {step.name}", observer)
        return notes

    def of(self, step: Step) -> EnvironmentSpec | None:
        return None if step.requirements is None else environment_of(step.requirements)


def environments(choice: Choice) -> Environments:
    """What `--environment` means."""
    return BuiltEnvironments() if choice == "build" else Environments()


def environment_of(requirements: Requirements) -> EnvironmentSpec:
    """What to build, with what an entry process needs.

    Raises:
        EnvironmentBuildFailed: Some requirement cannot be kept in a cache, or is for conda only.
    """
    pip = tuple(line for line in requirements.pip if _name(line) not in LEFT_OUT)
    for line in pip:
        if _LOCAL.fullmatch(line):
            raise EnvironmentBuildFailed(
                f"{requirements.source}: {line}: of a package on this machine nobody could tell"
                " when it changes; put it on an index, or its modules into the code folder"
            )
    return EnvironmentSpec(
        _python(requirements),
        (*_needed_here(), *pip),
        tuple(spec.text for spec in requirements.conda),
        requirements.channels,
    )


def _build(requirements: Requirements, what: str, observer: Observer) -> None:
    try:
        environment = environment_of(requirements)
        build_environment(environment, lambda line: observer.waiting(f"{what}: {line}"))
    except EnvironmentBuildFailed as error:
        raise EnvironmentBuildFailed(f"{what} cannot be built: {error}") from error


def _of_source(requirements: Requirements) -> Iterator[str]:
    lines = unmet_requirements(requirements)
    if lines:
        yield f"{', '.join(lines)} of {requirements.source}"


def _python(requirements: Requirements) -> str:
    """The versions that will do, of those on which this package runs."""
    ours = platform.python_version()
    minor = ours.rpartition(".")[0]
    asked = requirements.python.versions if requirements.python else ()
    try:
        choices = [SpecifierSet(versions) for versions in asked]
    except InvalidSpecifier as error:
        raise EnvironmentBuildFailed(f"{requirements.source}: python: {error}") from error
    needed = metadata.metadata("prefect-parallel")["Requires-Python"]
    choices = [each & SpecifierSet(needed) for each in choices or [SpecifierSet(f"=={minor}.*")]]
    fits = [each for each in choices if each.contains(ours, prereleases=True)]
    possible = [each for each in choices if any(map(each.contains, PYTHONS))]
    if not possible:
        raise EnvironmentBuildFailed(
            f"{requirements.source}: {', '.join(asked)}: an entry process needs Python {needed}"
        )
    return str((fits or possible)[0])


def _needed_here() -> list[str]:
    """Requirements of this package's own that an entry process has, too."""
    own = metadata.requires("prefect-parallel") or []
    return [text for text in own if _name(text) in NEEDED]


def _name(line: str) -> str | None:
    """The package that a line for pip names; None for other lines."""
    try:
        return canonicalize_name(Requirement(line).name)
    except InvalidRequirement:
        return None
