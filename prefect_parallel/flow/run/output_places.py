"""Where the outputs of a run are published, beyond its directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prefect_parallel.data import Datastores, Location, publish
from prefect_parallel.document import dotted
from prefect_parallel.errors import InvalidInput, PrefectParallelError
from prefect_parallel.flow.run.selection import ALL, Selection
from prefect_parallel.flow.run.step_result import Place
from prefect_parallel.job import CommandStep, ParallelStep, ResolvedJob, path_of
from prefect_parallel.job.syntax.expressions import fill
from prefect_parallel.layout import StepDirectory


class PublishFailed(PrefectParallelError):
    """An output was not written, or cannot be copied to its path."""


@dataclass(frozen=True)
class OutputPlaces:
    """The places that `path` of outputs names.

    Attributes:
        places: By step and output.
        unknown: Why outputs have no place, although they have a path.
    """

    places: Mapping[tuple[str, str], Location] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, job: ResolvedJob, datastores: Datastores, run: str, selection: Selection
    ) -> OutputPlaces:
        """The places of a job's outputs in the run of that name; a trial publishes nothing.

        Raises:
            InvalidInput: There is no driver for a URL.
        """
        places: dict[tuple[str, str], Location] = {}
        unknown: dict[str, str] = {}
        for step in job.steps.values():
            for name, output in step.outputs.items():
                if output.location is None:
                    continue
                where = dotted((*path_of(step.name), "outputs", name))
                if selection != ALL:
                    unknown[where] = "this is a trial; resume the run without a selection"
                    continue
                text = fill(output.location, {"name": run})
                try:
                    place = Location.parse(text, datastores=datastores)
                except InvalidInput as error:
                    unknown[where] = str(error)
                    continue
                if output.type == "uri_file" and text.endswith("/"):
                    place = place.join(output.bound_to or name)
                if place.is_remote:
                    _check_driver(where, place)
                places[step.name, name] = place
        return cls(places, tuple(f"{where}: {why}" for where, why in unknown.items()))

    @property
    def warning(self) -> str | None:
        """A warning about outputs without a place; None: all have one."""
        if not self.unknown:
            return None
        return f"outputs that stay in the run directory: {'; '.join(self.unknown)}"

    def place_of(self, step: str, output: str, below: str = ".") -> Place | None:
        """Where an output, or a file below it, is published; None: it is not."""
        place = self.places.get((step, output))
        if place is None:
            return None
        place = place.join(below)
        return place.path if place.is_remote else Path(place.path)

    def publish(
        self,
        step: ParallelStep | CommandStep,
        directory: StepDirectory,
        check: Callable[[], None],
    ) -> Iterator[str]:
        """Publish the outputs of a step that succeeded; the names of those published are yielded.

        `check` is called again and again, and may raise a PrefectParallelError that ends it.

        Raises:
            PublishFailed: The step did not write a file, or it cannot be copied.
        """
        for name in step.outputs:
            place = self.places.get((step.name, name))
            if place is None:
                continue
            source = directory.output(name)
            if step.outputs[name].type == "uri_file" and not source.exists():
                raise PublishFailed(f"the step did not write its output {name}: {source}")
            try:
                publish(source, place, check)
            except OSError as error:
                raise PublishFailed(
                    f"output {name} cannot be written to {place.path}:"
                    f" {error.strerror or error}; resuming the run writes it again"
                ) from error
            yield name


def _check_driver(where: str, place: Location) -> None:
    try:
        place.remote_path()
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error}") from error
