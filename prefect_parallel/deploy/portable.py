"""A pipeline as a folder that loads on any machine: YAML, components and code, but not the data."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from prefect_parallel.flow.steps.snapshot import take_snapshot
from prefect_parallel.job import PipelineJob
from prefect_parallel.job.files.local_paths import LocalPath, paths_of_job, paths_of_step
from prefect_parallel.job.files.locations import is_local
from prefect_parallel.job.files.requirements import requirements_in
from prefect_parallel.job.models.components import Component, Steps
from prefect_parallel.job.models.io_models import DataInput

PIPELINE_FILE = "pipeline.yml"
FLOW_FILE = "flow.py"
COMPONENTS = "components"
FLOW_NAME = "pipeline"
ENTRYPOINT = f"{FLOW_FILE}:{FLOW_NAME}"
"""Where Prefect finds the flow in the folder."""

FLOW_TEXT = '''\
"""The flow of pipeline.yml, made by `prefect-parallel deploy`."""

from pathlib import Path

from prefect_parallel import compile_pipeline

{name} = compile_pipeline(Path(__file__).with_name({file!r}), {options})
'''


def write_portable(
    job: PipelineJob,
    folder: Path,
    *,
    title: str,
    options: Mapping[str, Any],
    leave_out: Collection[Path] = (),
) -> dict[str, str]:
    """Write a pipeline, and everything that it needs except its data, into an empty folder.

    Args:
        title: The flow's name.
        options: Further arguments of `compile_pipeline`; plain values.
        leave_out: Files and folders that are not copied, even if they are in a code folder.

    Returns:
        The local paths of the pipeline's inputs, by name. The folder's YAML does not have them,
        because it would not load on a machine without these files.
    """
    files = _Files(folder, [*leave_out, *_local_data(job)])
    data = job.dump()
    # A pipeline without one is named after its file.
    data.setdefault("display_name", title)
    if job.by_component is None:
        data["jobs"] = _steps(job.steps, "", f"{COMPONENTS}/", files)
    else:
        name = _write_component("pipeline", job.by_component, job.steps, files)
        data["component"] = f"{COMPONENTS}/{name}"
    _take_files(data, job.folder, files)
    local_inputs = _take_local_inputs(job, data)
    _write_yaml(data, folder / PIPELINE_FILE)
    arguments = ", ".join(f"{name}={value!r}" for name, value in options.items())
    text = FLOW_TEXT.format(name=FLOW_NAME, file=PIPELINE_FILE, options=arguments)
    (folder / FLOW_FILE).write_text(text, encoding="utf-8")
    return local_inputs


class _Files:
    """Copies of files and folders; what several steps name is copied once."""

    def __init__(self, folder: Path, leave_out: Collection[Path]) -> None:
        self.folder = folder
        self._leave_out = leave_out
        self._copied: dict[str, str] = {}

    def carry(self, path: LocalPath, prefix: str = "") -> Any:
        """Copy what a path leads to, and return what replaces the path.

        `prefix` is the way to the folder from the file that has the path.
        """
        if path.kind == "code":
            return prefix + self._copy(path.location)
        # Its content instead of a copy, because it may name other files by relative paths.
        file = Path(path.location)
        content = yaml.safe_load(file.read_bytes()) or {}
        return requirements_in(content, path.location, file.parent).to_conda()

    def _copy(self, location: str) -> str:
        if location not in self._copied:
            source = Path(location)
            # In a folder of its own, because two sources may have the same name.
            copy = self.folder / "code" / str(len(self._copied)) / source.name
            target = copy if source.is_dir() else copy.parent
            take_snapshot(source, target, leave_out=self._leave_out)
            self._copied[location] = copy.relative_to(self.folder).as_posix()
        return self._copied[location]


def _steps(steps: Steps, prefix: str, to_components: str, files: _Files) -> dict[str, Any]:
    """The steps of a level, with their components written.

    Args:
        prefix: What full names of the steps begin with.
        to_components: The way to the folder of components from the file with the steps.
    """
    jobs: dict[str, Any] = {}
    for name in steps.jobs:
        jobs[name] = steps.dump(name)
        component, nested = steps.components.get(name), steps.nested.get(name)
        if component is not None:
            # It has the values of the step's `jobs`.
            jobs[name].pop("jobs", None)
            file = _write_component(prefix + name, component, nested, files)
            jobs[name]["component"] = to_components + file
        elif nested is not None:
            jobs[name]["jobs"] = _steps(nested, f"{prefix}{name}.", to_components, files)
    return jobs


def _write_component(name: str, component: Component, steps: Steps | None, files: _Files) -> str:
    """Write a component, and those of its own steps; returns the name of the file."""
    data = component.model.dump()
    if steps is not None:
        data["jobs"] = _steps(steps, f"{name}.", "./", files)
    _take_files(data, component.document.folder, files, prefix="../")
    _write_yaml(data, files.folder / COMPONENTS / f"{name}.yml")
    return f"{name}.yml"


def _take_files(data: dict[str, Any], folder: Path, files: _Files, prefix: str = "") -> None:
    """Copy the files that a dumped pipeline or component names, except components."""
    for path in (*paths_of_job(data, folder), *paths_of_step(data, folder)):
        if path.kind == "data":
            path.holder[path.key] = path.location
        elif path.kind != "component":
            path.holder[path.key] = files.carry(path, prefix)


def _take_local_inputs(job: PipelineJob, data: dict[str, Any]) -> dict[str, str]:
    """Remove the local paths from the inputs of a dumped pipeline, and return them."""
    return {
        name: data["inputs"][name].pop("path")
        for name, value in job.inputs.items()
        if isinstance(value, DataInput) and value.path and is_local(data["inputs"][name]["path"])
    }


def _local_data(job: PipelineJob) -> list[Path]:
    """The data on this machine that the pipeline, its steps and components name."""
    found = list(paths_of_job(job.dump(), job.folder))
    for component in (*_components(job.steps), *([job.by_component] if job.by_component else ())):
        found += paths_of_job(component.model.dump(), component.document.folder)
    return [Path(path.location) for path in found if path.kind == "data"]


def _components(steps: Steps) -> Iterator[Component]:
    yield from steps.components.values()
    for nested in steps.nested.values():
        yield from _components(nested)


def _write_yaml(data: dict[str, Any], file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)
    file.write_text(text, encoding="utf-8")
