"""The inputs and outputs of a step: where they are, and their fingerprints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from prefect_parallel.data import Datastores, FileCache, Location
from prefect_parallel.data.locations.listing import files_at
from prefect_parallel.data.locations.location import MLTABLE
from prefect_parallel.data.mini_batch import File
from prefect_parallel.data.mltable.mltable import MLTable
from prefect_parallel.flow.run.comparison import Comparison
from prefect_parallel.job import AppendRowTo, CommandStep, Data, OutputOf, ParallelStep
from prefect_parallel.job.syntax.expressions import find
from prefect_parallel.layout import RunDirectory, StepDirectory
from prefect_parallel.output.fingerprint import of_data, of_json

PARALLEL_RUN_OUTPUT = "parallel_run_step.txt"
"""The aggregated output's name inside an output of type `uri_folder`, as in Azure."""

UNVERSIONED = "unversioned "
"""How the fingerprint of an input begins that may be the same after the data has changed."""

Source: TypeAlias = Data | OutputOf


@dataclass(frozen=True)
class StepData:
    """What a step reads and writes.

    Attributes:
        run: The run's directory.
        datastores: Definitions of `azureml:` names of data.
        store: The run's copy, from which nodes that do not see the directory read what is in it:
            outputs of earlier steps, and data that was in memory. None: they read the directory.
    """

    step: ParallelStep | CommandStep
    run: RunDirectory
    datastores: Datastores
    store: Location | None = None

    @property
    def directory(self) -> StepDirectory:
        return self.run.step(self.step.name)

    @property
    def file_cache(self) -> FileCache:
        """Local copies of remote data, kept while the step runs."""
        return FileCache(self.directory.fetched)

    def values(self) -> dict[str, str]:
        """The values of `inputs.x` and `outputs.x` in the step's arguments, for data; `name`."""
        return self.input_values(self.file_cache) | self.output_values()

    def input_values(self, file_cache: FileCache) -> dict[str, str]:
        """The values of `inputs.x`; remote data has the path of its copy in the cache.

        `name` is the name of the run.
        """
        inputs = {
            f"inputs.{name}": self._as_given(source, file_cache) for name, source in self._sources()
        }
        return {"name": self.run.root.name, **inputs}

    def output_values(self) -> dict[str, str]:
        return {f"outputs.{name}": str(self.directory.output(name)) for name in self.step.outputs}

    def to_fetch(self) -> list[Location]:
        """The remote inputs of which arguments, command or variables need a local copy."""
        step = self.step
        text = step.command if isinstance(step, CommandStep) else step.program_arguments
        texts = [text, *step.environment_expressions.values()]
        found = (each for text in texts for each in find(text))
        named = {each.name for each in found if each.form == "${{inputs.NAME}}"}
        places = [
            self.place(source)
            for name, source in self._sources()
            if name in named and source.mode != "direct"
        ]
        return [place for place in places if place.is_remote]

    def local_inputs(self) -> list[str]:
        """The local paths that nodes have to see, if they read the rest from the store."""
        if self.store is None:
            return []
        paths: list[str] = []
        for _, source in self._sources():
            place = self.place(source)
            if isinstance(source, Data) and not place.is_remote and self._is_own(source):
                # A list of paths.
                table = MLTable.load(place)
                listed = [table.entry_location(entry).parent for entry in table.entries]
                paths += dict.fromkeys(each.path for each in listed if not each.is_remote)
            elif not place.is_remote:
                paths.append(place.path)
        return paths

    def local_paths(self) -> list[str]:
        """The local paths that the step reads, with the folders of what its tables list."""
        paths: list[str] = []
        for place in self.places():
            if place.is_remote:
                continue
            paths.append(place.path)
            if Path(place.path, MLTABLE).exists():
                table = MLTable.load(place)
                listed = [table.entry_location(entry) for entry in table.entries]
                paths += (_existing(Path(each.path)) for each in listed if not each.is_remote)
        return list(dict.fromkeys(paths))

    def places(self) -> list[Location]:
        """Where the inputs that are data are."""
        return [self.place(source) for _, source in self._sources()]

    def fingerprints(self, compared: Comparison, *, but: str | None = None) -> dict[str, str]:
        """The fingerprints of the inputs by their names, one of which may be left out.

        Raises:
            InvalidInput: Remote data cannot be accessed.
        """
        return {
            name: self._fingerprint(source, compared)
            for name, source in self._sources()
            if name != but
        }

    def output_folders(self) -> list[Path]:
        """The folders that the step may write into."""
        return [
            path.parent if specification.type == "uri_file" else path
            for name, specification in self.step.outputs.items()
            for path in [self.directory.output(name)]
        ]

    def make_outputs(self) -> None:
        for folder in self.output_folders():
            folder.mkdir(parents=True, exist_ok=True)

    def location(self, source: Source) -> str:
        """Where data is, as a local path, URL or `azureml:` name."""
        if isinstance(source, OutputOf):
            path = self.run.step(source.step).output(source.output)
        elif self._is_own(source) and source.type != "mltable":
            path = Path(source.location)
        else:
            return source.location
        if self.store is None:
            return str(path)
        return self.store.join(path.relative_to(self.run.root).as_posix()).path

    def place(self, source: Source) -> Location:
        """Where data is, after `azureml:` names are looked up.

        Raises:
            InvalidInput: An `azureml:` name is not known.
        """
        return Location.parse(self.location(source), datastores=self.datastores)

    def _is_own(self, source: Data) -> bool:
        """Whether the run was called with data that it has written itself."""
        return Path(source.location).is_relative_to(self.run.inputs)

    def _sources(self) -> Iterator[tuple[str, Source]]:
        """The inputs that are data."""
        for name, source in self.step.inputs.items():
            if isinstance(source, (Data, OutputOf)):
                yield name, source

    def _as_given(self, source: Source, file_cache: FileCache) -> str:
        """What a script gets: a local path, or with `direct` the unchanged URI."""
        place = self.place(source)
        if not place.is_remote:
            return place.path
        if source.mode == "direct":
            return self.location(source)
        return str(file_cache.path_of_input(place))

    def _fingerprint(self, source: Source, compared: Comparison) -> str:
        """The fingerprint of an input, beginning with `UNVERSIONED` if it may miss a change."""
        place = self.place(source)
        if place.is_remote and source.mode == "direct":
            # The script opens it; this process may not be allowed to.
            return UNVERSIONED + of_json(place.path)
        if place.is_remote:
            return _of_files(files_at(place), compared)
        of_place = of_data(Path(place.path), by_content=compared.reads(place.path))
        if source.type != "mltable" or not place.join(MLTABLE).exists():
            return of_place
        # Its files may be anywhere.
        return f"{_of_files(MLTable.load(place).files(), compared)} {of_place}"


def _of_files(files: Iterable[File], compared: Comparison) -> str:
    read = [compared.read(file) for file in files]
    known = all(file.version is not None for file in read)
    found = compared.normalized([[file.path, file.size, file.version] for file in read])
    return ("" if known else UNVERSIONED) + of_json(found)


def _existing(path: Path) -> str:
    """A path, or the folder that a pattern starts from."""
    return str(next(each for each in (path, *path.parents) if each.exists()))


def aggregated_output(step: ParallelStep, directory: StepDirectory) -> Path | None:
    """The file that `append_row_to` names; None if rows are only counted."""
    if step.append_row_to is None:
        return None
    path = directory.output(step.append_row_to.output)
    if step.append_row_to.subpath:
        return path / step.append_row_to.subpath
    return path / PARALLEL_RUN_OUTPUT if _is_named_by_default(step.append_row_to, step) else path


def output_name_of(step: ParallelStep) -> str:
    """The file name that decides the format of the rows.

    A file that is published has the name that its `path` ends in, not the output's.
    """
    to = step.append_row_to
    if to is None:
        return ""
    output = step.outputs[to.output]
    published = output.location if output.type == "uri_file" else None
    return PurePosixPath(to.subpath or published or to.output).name


def folder_outputs(step: ParallelStep) -> tuple[str, ...]:
    """The outputs that files of `output_dir` may belong to: folders.

    That of `append_row_to` only if it is the only one.
    """
    folders = tuple(name for name, output in step.outputs.items() if output.type != "uri_file")
    appended_to = step.append_row_to and step.append_row_to.output
    return tuple(name for name in folders if name != appended_to) or folders


def delimiter_of(step: ParallelStep) -> str:
    """What separates the cells of DataFrames in text; in `parallel_run_step.txt` as in Azure."""
    if step.append_row_dataframe_delimiter is not None:
        return step.append_row_dataframe_delimiter
    to = step.append_row_to
    return " " if to is not None and _is_named_by_default(to, step) else ","


def _is_named_by_default(to: AppendRowTo, step: ParallelStep) -> bool:
    return to.subpath is None and step.outputs[to.output].type != "uri_file"
