"""`--environment container`: steps run in the images of their environments."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from prefect_parallel.entry.container import ContainerPython, check_python
from prefect_parallel.entry.container_engine import ContainerEngine
from prefect_parallel.entry.environment_builder import python_in
from prefect_parallel.entry.environment_spec import EnvironmentSpec
from prefect_parallel.entry.image import Image
from prefect_parallel.errors import EnvironmentBuildFailed
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.run.environments import (
    BuiltEnvironments,
    Choice,
    Environments,
    ShellProcess,
    Step,
    environment_of,
)
from prefect_parallel.flow.run.step_data import StepData
from prefect_parallel.job import CommandStep, ParallelStep
from prefect_parallel.output.fingerprint import of_code, of_json


class ContainerEnvironments(Environments):
    """The images that the steps of a run have, and the Python in each."""

    def __init__(self) -> None:
        self._images: dict[str, Image] = {}
        self._pythons: dict[str, ContainerPython] = {}

    def prepare(self, steps: Iterable[Step], observer: Observer) -> list[str]:
        notes = []
        for step in steps:
            image = _image(step)
            if image is None:
                notes.append(f"step {step.name} names no image: it runs on this interpreter")
                continue
            try:
                self._prepare(step, image, observer)
            except EnvironmentBuildFailed as error:
                raise EnvironmentBuildFailed(f"step {step.name}: {error}") from error
        return notes

    def of(self, step: Step) -> EnvironmentSpec | None:
        image = self._images.get(step.name)
        return None if image is None else _environment(step, image)

    def image_of(self, data: StepData) -> Image | None:
        image = self._images.get(data.step.name)
        return None if image is None else replace(image, readable=_readable(data))

    def key(self, step: Step) -> str | None:
        image, environment = self._images.get(step.name), self.of(step)
        if environment is not None:
            return environment.key
        return None if image is None else image.key

    def shell_process(
        self, step: CommandStep, command: str, given: Mapping[str, str], data: StepData
    ) -> ShellProcess:
        image = self.image_of(data)
        if image is None:
            return super().shell_process(step, command, given, data)
        python, engine = self._pythons[step.name], ContainerEngine.find()
        name = f"prefect-parallel-{of_json(str(data.directory.root))[:16]}"
        # A machine that went down may have left it.
        engine.remove(name)
        return ShellProcess(
            engine.run(
                python.image,
                ["bash", "-c", command],
                name=name,
                folder=str(data.directory.code),
                writable=[str(data.directory.root)],
                readable=[*image.readable, *([str(python.folder)] if python.folder else [])],
                variables=[f"PATH={python.path}", *given],
                options=image.options,
            ),
            {**os.environ, **given},
            engine.removal(name),
        )

    def _prepare(self, step: Step, image: Image, observer: Observer) -> None:
        """Pull or build an image, and what is built in it."""

        def on_line(line: str) -> None:
            observer.waiting(f"the image of step {step.name}: {line}")

        python = python_in(image, None, on_line)
        if image.context is None:
            image = replace(image, id=python.image)
        environment = _environment(step, image)
        if environment is not None:
            python = python_in(image, environment, on_line)
        elif isinstance(step, ParallelStep):
            check_python(python.image, image.options)
        self._images[step.name], self._pythons[step.name] = image, python


def environments(choice: Choice) -> Environments:
    """The environments of a run, by the value of `--environment`."""
    if choice == "container":
        return ContainerEnvironments()
    return BuiltEnvironments() if choice == "build" else Environments()


def _image(step: Step) -> Image | None:
    """The image of a step, or the one that is built for it; None if it names none."""
    if not isinstance(step.environment, dict):
        return None
    if step.build_context is not None:
        context, dockerfile = step.build_context
        key = of_json([of_code(context), dockerfile])[:16]
        return Image(
            f"localhost/prefect-parallel:{key}",
            context=str(context),
            dockerfile=dockerfile,
            options=step.docker_options,
        )
    name: str | None = step.environment.get("image")
    return None if name is None else Image(name, options=step.docker_options)


def _environment(step: Step, image: Image) -> EnvironmentSpec | None:
    environment = environment_of(step)
    return None if environment is None else replace(environment, image=image.key)


def _readable(data: StepData) -> tuple[str, ...]:
    """The run directory, and what else of this machine the step reads."""
    root = data.run.root
    inputs = [Path(path) for path in data.local_paths()]
    return (str(root), *(str(path) for path in inputs if not path.is_relative_to(root)))
