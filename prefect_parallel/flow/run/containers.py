"""`--environment container`: commands run in the images of their environments."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

from prefect_parallel.entry.container import ContainerEngine
from prefect_parallel.errors import EnvironmentBuildFailed
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.run.environments import (
    BuiltEnvironments,
    Choice,
    Environments,
    ShellProcess,
    Step,
)
from prefect_parallel.flow.run.step_data import StepData
from prefect_parallel.job import CommandStep, ParallelStep
from prefect_parallel.output.fingerprint import of_json


class ContainerEnvironments(Environments):
    """The engine, and the images that the command steps of a run have."""

    def __init__(self) -> None:
        self._engine: ContainerEngine | None = None
        self._images: dict[str, str] = {}

    def prepare(self, steps: Iterable[Step], observer: Observer) -> list[str]:
        notes = []
        for step in steps:
            if isinstance(step, ParallelStep):
                notes.append(
                    f"step {step.name}: entry processes run on this interpreter; only commands run"
                    " in containers"
                )
            elif (image := _image(step)) is None:
                notes.append(f"step {step.name} names no image: it runs on this interpreter")
            else:
                self._images[step.name] = self._pulled(image, step, observer)
        return notes

    def key(self, step: Step) -> str | None:
        return self._images.get(step.name)

    def shell_process(
        self, step: CommandStep, command: str, given: Mapping[str, str], data: StepData
    ) -> ShellProcess:
        image = self._images.get(step.name)
        if image is None:
            return super().shell_process(step, command, given, data)
        assert self._engine is not None
        name = f"prefect-parallel-{of_json(str(data.directory.root))[:16]}"
        end = _removal(self._engine, name)
        # A driver that was killed may have left it.
        end()
        root = data.run.root
        inputs = [place.path for place in data.places() if not place.is_remote]
        return ShellProcess(
            self._engine.shell(
                image,
                command,
                name=name,
                folder=data.directory.code,
                writable=root,
                readable=[path for path in inputs if not path.startswith(f"{root}/")],
                variables=given,
            ),
            {**os.environ, **given},
            end,
        )

    def _pulled(self, image: str, step: Step, observer: Observer) -> str:
        what = f"the image of step {step.name}"
        try:
            self._engine = self._engine or ContainerEngine.find()
            return self._engine.image_id(image, lambda line: observer.waiting(f"{what}: {line}"))
        except EnvironmentBuildFailed as error:
            raise EnvironmentBuildFailed(f"step {step.name}: {error}") from error


def environments(choice: Choice) -> Environments:
    """The environments of a run, by the value of `--environment`."""
    if choice == "container":
        return ContainerEnvironments()
    return BuiltEnvironments() if choice == "build" else Environments()


def _image(step: Step) -> str | None:
    environment = step.environment
    return environment.get("image") if isinstance(environment, dict) else None


def _removal(engine: ContainerEngine, container: str) -> Callable[[], None]:
    return lambda: engine.remove(container)
