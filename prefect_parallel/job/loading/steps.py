"""The steps of a pipeline, with the component files and nested pipelines that they name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect_parallel.document import Document, KeyPath, Section, Typed
from prefect_parallel.errors import InvalidPipeline, Problem, advice_for
from prefect_parallel.job.files.local_paths import make_paths_absolute
from prefect_parallel.job.files.locations import location_of
from prefect_parallel.job.format.types import DATA_TYPES
from prefect_parallel.job.loading.component_files import open_component, read_component
from prefect_parallel.job.loading.overrides import merge
from prefect_parallel.job.loading.registered import RegisteredThings
from prefect_parallel.job.models.components import Component, PipelineComponentModel, Steps
from prefect_parallel.job.models.steps import StepModel, step_type
from prefect_parallel.yaml_schema import Diagnostics

# Keys that only a command step by a component has.
_COMMAND_KEYS = {"command", "code", "distribution", "environment", "limits"}

_Files = tuple[dict[str, Component], dict[str, Steps]]


class StepsReader:
    """Reads the files that steps name, and the pipelines nested in them.

    Attributes:
        problems: The problems of these files and pipelines, each of which is left out.
        ignored: Full paths of keys that have no effect.
    """

    def __init__(
        self, registered: RegisteredThings, diagnostics: Callable[[Document], Diagnostics]
    ) -> None:
        self._registered = registered
        self._diagnostics = diagnostics
        self.problems: list[Problem] = []
        self.ignored: list[KeyPath] = []

    def files(self, document: Document, chain: tuple[Path, ...] = ()) -> _Files:
        """The components and the nested pipelines of a document's steps.

        A step without a type gets its component's. `chain` are the files that lead to the document.
        """
        components: dict[str, Component] = {}
        nested: dict[str, Steps] = {}
        jobs = document.data.get("jobs")
        for name, step in jobs.items() if isinstance(jobs, Section) else ():
            if not isinstance(step, Section):
                continue
            at = ("jobs", name)
            try:
                if "component" not in step:
                    if step_type(step) == "pipeline":
                        nested[name] = self._inline(step, document, at, chain)
                elif not isinstance(step["component"], str) or step["component"].startswith(
                    "azureml:"
                ):
                    _guess_type(step)
                else:
                    component, steps = self._by_component(step, document, at, chain)
                    components[name] = component
                    keep_texts(step.get("inputs"), component)
                    if steps is not None:
                        nested[name] = steps
            except InvalidPipeline as error:
                self.problems += error.problems
                _guess_type(step)
        return components, nested

    def open(self, named: str, document: Document, at: KeyPath) -> Document:
        """The component file that a mapping at a path names.

        Raises:
            InvalidPipeline: There is no such file, or it is not the YAML file of a component.
        """
        opened = open_component(named, document, at)
        self._registered.put_into(opened)
        return opened

    def _by_component(
        self, step: Section, document: Document, at: KeyPath, chain: tuple[Path, ...]
    ) -> tuple[Component, Steps | None]:
        wanted = step_type(step)
        opened = self.open(step["component"], document, at)
        if "type" not in step:
            step.put("type", opened.data["type"])
        if opened.data["type"].lower() != "pipeline":
            return read_component(opened, wanted, self._diagnostics(opened), self.ignored), None
        return self.pipeline_component(opened, wanted, step, document, at, chain)

    def pipeline_component(
        self,
        opened: Document,
        wanted: str | None,
        user: Section,
        document: Document,
        at: KeyPath,
        chain: tuple[Path, ...],
    ) -> tuple[Component, Steps]:
        """The pipeline component in a document.

        Args:
            opened: Its document.
            wanted: The type of component that is allowed; None: any.
            user: The mapping that names it, whose `jobs` replace values of its steps.
            document: The document of that mapping.
            at: The path of that mapping.
            chain: The files that lead to that document.

        Raises:
            InvalidPipeline: It has errors, or leads back to one of these files.
        """
        chain = (*chain, _file_of(document))
        if (file := _file_of(opened)) in chain:
            names = " -> ".join(each.name for each in (*chain[chain.index(file) :], file))
            message = f"circular components: {names}"
            raise InvalidPipeline([document.problem((*at, "component"), message)])
        _replace_values(opened, user, document, at)
        components, nested = self.files(opened, chain)
        component = read_component(opened, wanted, self._diagnostics(opened), self.ignored)
        assert isinstance(component.model, PipelineComponentModel)
        _settle_types(user.get("jobs"), component.model.dump()["jobs"])
        steps = Steps(opened, component.model.jobs, components, nested)
        _settle_paths(user.get("jobs"), steps, document.folder)
        return component, steps

    def _inline(
        self, step: Section, document: Document, at: KeyPath, chain: tuple[Path, ...]
    ) -> Steps:
        prefix = (*document.prefix, *at)
        origins = {
            path[len(at) :]: origin
            for path, origin in document.origins.items()
            if path[: len(at)] == at
        }
        inner = Document(document.file, step, document.folder, prefix, origins)
        components, nested = self.files(inner, chain)
        own = self._diagnostics(inner)
        key = PipelineComponentModel.all_keys()["jobs"]
        if step.get("jobs") is None:
            own.add(("jobs",), "the key is missing", "`jobs`, or `component: FILE`")
        else:
            jobs = key.schema.read(step["jobs"], ("jobs",), own)
        if own.problems:
            raise InvalidPipeline(own.problems)
        _settle_types(step["jobs"], {name: model.dump() for name, model in jobs.items()})
        self.ignored += [(*prefix, *path) for path in own.ignored]
        return Steps(inner, jobs, components, nested)


def _file_of(document: Document) -> Path:
    return Path(os.path.realpath(document.folder / Path(document.file or "").name))


def _replace_values(opened: Document, user: Section, document: Document, at: KeyPath) -> None:
    """Put the values that a user of a component gives for its steps into the component."""
    changes, known = user.get("jobs"), opened.data.get("jobs")
    if changes is None or not isinstance(known, Section):
        return
    path = (*at, "jobs")
    if not isinstance(changes, Section):
        raise InvalidPipeline([document.problem(path, "found no mapping", allowed="a mapping")])
    for name in changes:
        if name not in known:
            message = f"the component has no step {name}"
            advice = advice_for(name, known)
            raise InvalidPipeline([document.problem((*path, name), message, **advice, of_key=True)])
    if document.folder != opened.folder:
        make_paths_absolute({"jobs": changes}, document.folder)
    merge(opened, {"jobs": changes}, document, at)


def _settle_types(given: Any, read: Any) -> None:
    """Give values from the command line the types with which they were read."""
    if isinstance(given, Section) and isinstance(read, dict):
        for key in given.keys() & read.keys():
            _settle_types(given[key], read[key])
            if isinstance(given[key], Typed):
                given[key] = read[key]


def _settle_paths(given: Any, steps: Steps, folder: Path) -> None:
    """Make the data that a user of a component gives as text start from the user's folder.

    Only the components that the steps name say which text is a path.
    """
    for name in given.keys() & steps.jobs.keys() if isinstance(given, Section) else ():
        changes = given[name]
        if isinstance(changes, Section) and name in steps.components:
            _settle_data(changes.get("inputs"), steps.jobs[name], steps.components[name], folder)
        if isinstance(changes, Section) and name in steps.nested:
            _settle_paths(changes.get("jobs"), steps.nested[name], folder)


def _settle_data(given: Any, step: StepModel, component: Component, folder: Path) -> None:
    declared = component.model.inputs
    for name in given.keys() & declared.keys() if isinstance(given, Section) else ():
        value = given[name]
        text = value.get("value") if isinstance(value, Section) else value
        is_path = isinstance(text, str) and not text.startswith("${{")
        if is_path and declared[name].type in DATA_TYPES:
            step.inputs[name] = given[name] = location_of(str(text), folder)


def keep_texts(inputs: Any, component: Component) -> None:
    """Keep values from the command line as text for the inputs that a component declares as such.

    A version such as 1.10 is no number then.
    """
    declared = component.model.inputs
    for name in inputs.keys() & declared.keys() if isinstance(inputs, Section) else ():
        holder, key = inputs, name
        if isinstance(holder[key], Section):
            holder, key = holder[key], "value"
        if isinstance(holder.get(key), Typed) and declared[name].type in ("string", *DATA_TYPES):
            holder[key] = str(holder[key])


def _guess_type(step: Section) -> None:
    """Give a step a type if it has none, so that the rest of it is still checked."""
    if "type" not in step:
        step.put("type", "command" if _COMMAND_KEYS & set(step) else "parallel")
