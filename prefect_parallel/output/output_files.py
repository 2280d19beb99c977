"""Files that scripts write to `output_dir`: a folder for each attempt, which the part names.

A folder without a part counts for nothing: a process may be killed at any time. When the step has
completed, the files are moved to its output. `output_files.jsonl` lists these moves, so that a
resumed run can take them back and begin as one that has not completed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from prefect_parallel.atomic_write import atomic_write
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.fingerprint import of_json
from prefect_parallel.output.part import Record


class UnusableFiles(PrefectParallelError):
    """Files of `output_dir` cannot be moved to the output, or are missing."""


@dataclass
class FileNames:
    """The names of files of one folder, and who has written each."""

    _files: dict[str, str] = field(default_factory=dict)
    _folders: dict[str, str] = field(default_factory=dict)

    def add(self, names: Collection[str], writer: str) -> None:
        """Add the names of what somebody has written; all or none.

        Raises:
            UnusableFiles: One is the name of another file or of a folder, or below another file.
        """
        for name in names:
            known = [self._folders.get(name), *map(self._files.get, (name, *_folders_of(name)))]
            for other in filter(None, known):
                raise UnusableFiles(
                    f"the file {name} of {writer} in output_dir clashes with a file of {other}",
                    hint="give each file a name of its own, e.g. with the partition key, the name"
                    " of an input file or mini_batch_index",
                )
        for name in names:
            self._files[name] = writer
            for folder in _folders_of(name):
                self._folders.setdefault(folder, writer)


def _folders_of(name: str) -> list[str]:
    return [str(folder) for folder in PurePosixPath(name).parents][:-1]


def files_in(folder: Path) -> list[str]:
    """The files in a folder and below it, by their paths from there, sorted.

    Raises:
        UnusableFiles: Something is neither a file nor a folder.
    """
    files: list[str] = []
    for parent, folders, names in os.walk(folder):
        for path in (Path(parent, name) for name in (*folders, *names)):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise UnusableFiles(
                    f"output_dir contains {path.relative_to(folder)}, which is not a regular file",
                    allowed="files and folders, but no links",
                )
        files += (Path(parent, name).relative_to(folder).as_posix() for name in names)
    return sorted(files)


def files_fingerprint(folder: Path) -> str:
    """The fingerprint of the names and sizes of the files in a folder; empty if it has none.

    Raises:
        UnusableFiles: Something is neither a file nor a folder.
    """
    files = [[name, (folder / name).stat().st_size] for name in files_in(folder)]
    return of_json(files) if files else ""


def has_its_files(directory: StepDirectory, record: Record) -> bool:
    """Whether the files that belong to a part are there."""
    if not record.output_dir:
        return True
    return files_fingerprint(directory.output_dirs / record.output_dir) == record.output_files


def merge(source: Path, target: Path, names: FileNames, writer: str) -> None:
    """Move the files of one folder to another, which has files with `names`; remove the folder.

    Raises:
        UnusableFiles: A name is that of another file; none was moved.
    """
    try:
        files = files_in(source)
        names.add(files, writer)
        for name in files:
            _move(source / name, target / name)
    finally:
        shutil.rmtree(source)


@dataclass(frozen=True)
class OutputFiles:
    """The files of all parts of a step, ready to be moved to its output.

    Attributes:
        moves: Path in `output_dirs` -> path in `outputs`.
    """

    directory: StepDirectory
    moves: dict[str, str]

    @classmethod
    def of(
        cls, directory: StepDirectory, records: Iterable[Record], output: str, other: Path | None
    ) -> OutputFiles:
        """Check that the files can be in one folder.

        Args:
            records: Those of parts with files.
            output: The name of the output.
            other: The aggregated output, which may be in the same folder.

        Raises:
            UnusableFiles: Two have the same name, or files are missing.
        """
        names, moves = FileNames(), dict[str, str]()
        target = directory.output(output)
        if other is not None and other.is_relative_to(target):
            names.add([other.relative_to(target).as_posix()], "append_row_to")
        for record in records:
            writer = f"mini-batch {record.index}"
            if not has_its_files(directory, record):
                raise UnusableFiles(
                    f"files that {writer} has written to output_dir are missing or have changed in"
                    f" {directory.output_dirs / record.output_dir}",
                    hint="resume the run: the mini-batch runs again",
                )
            files = files_in(directory.output_dirs / record.output_dir)
            names.add(files, writer)
            for name in files:
                if os.path.lexists(target / name):
                    raise UnusableFiles(
                        f"{writer} has written {name} to output_dir, but {target} has such a file"
                        " already, which the script has written there by its path",
                        hint="delete it and resume the run",
                    )
                moves[f"{record.output_dir}/{name}"] = f"{output}/{name}"
        return cls(directory, moves)

    def move(self) -> None:
        """Move the files to the output, and remove what else attempts have written."""
        if self.moves:
            with atomic_write(self.directory.output_files) as file:
                file.writelines(json.dumps(each).encode() + b"\n" for each in self.moves.items())
        for source, target in self.moves.items():
            _move(self.directory.output_dirs / source, self.directory.outputs / target)
        shutil.rmtree(self.directory.output_dirs, ignore_errors=True)


def move_back(directory: StepDirectory) -> None:
    """Take back the moves of a step that has completed, or was about to."""
    try:
        lines = directory.output_files.read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        source, target = json.loads(line)
        with suppress(FileNotFoundError):  # It was not moved yet, or has been deleted since.
            _move(directory.outputs / target, directory.output_dirs / source)
        with suppress(OSError):  # It has other files.
            os.removedirs((directory.outputs / target).parent)
    directory.output_files.unlink()


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)
