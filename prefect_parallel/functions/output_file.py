"""Where a call puts its output: a file or a URL outside the run directory."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path

from prefect_parallel.data import Datastores, Location
from prefect_parallel.errors import InvalidCall, PrefectParallelError
from prefect_parallel.layout import RunDirectory

NOT_TEXT = {
    ".arrow", ".avro", ".bz2", ".feather", ".gz", ".h5", ".json", ".npy", ".npz", ".orc", ".pickle",
    ".pkl", ".tsv", ".xls", ".xlsx", ".xz", ".zip", ".zst",
}  # fmt: skip
"""Extensions of formats that are not written; with any other, the output is text."""


class InvalidOutput(InvalidCall):
    """The output of a call exists already, or its name does not tell its format."""


class OutputNotWritten(PrefectParallelError):
    """The output of a run that has completed cannot be written to its place."""


@dataclass(frozen=True)
class OutputFile:
    """The file that a call writes.

    Attributes:
        place: Where it is.
        overwrite: Whether it may replace a file.
    """

    place: Location
    overwrite: bool

    @classmethod
    def of(
        cls, output: str | os.PathLike[str] | None, *, overwrite: bool, datastores: Datastores
    ) -> OutputFile | None:
        """The output of a call, checked before anything runs; None if none is given.

        Raises:
            InvalidOutput: It is a folder or cannot be written to, or its extension is missing or
                of another format.
            InvalidInput: It is in a datastore that is not known.
        """
        if output is None:
            return None
        place = Location.parse(os.fspath(output), datastores=datastores)
        if not place.is_remote:
            place = Location.parse(str(Path(output).expanduser().absolute()))
        found = cls(place, overwrite)
        if not found.suffix or found.suffix in NOT_TEXT:
            raise InvalidOutput(
                f"the output {output} has "
                + (f"the extension {found.suffix}" if found.suffix else "no extension")
                + ", which decides its format",
                allowed=".parquet, .jsonl, .csv, or .txt for lines of text",
            )
        if place.is_folder():
            raise InvalidOutput(f"the output {output} is a folder", hint="name a file in it")
        if not place.is_remote:
            _refuse_unwritable(Path(place.path))
        return found

    def refuse_existing(self, *, unless_of: RunDirectory) -> None:
        """Raise InvalidOutput if a file would be replaced that another run, or anybody, wrote."""
        if self.overwrite or not self.place.exists():
            return
        if _record(unless_of).exists() and _record(unless_of).read_text() == self._stamp():
            return
        raise InvalidOutput(
            f"the output {self.place.path} exists already",
            hint="choose another name, or let the call overwrite it",
        )

    @property
    def suffix(self) -> str:
        return Path(self.place.path).suffix.lower()

    @property
    def shown(self) -> Path | str:
        return self.place.path if self.place.is_remote else Path(self.place.path)

    def publish(self, file: Path, run: RunDirectory) -> None:
        """Put a copy of a run's output there; nobody sees half of it.

        Args:
            file: The output in the run directory.
            run: The run, which may replace the copy when it is resumed.

        Raises:
            InvalidOutput: A file has come into existence there.
            OutputNotWritten: It cannot be written.
        """
        self.refuse_existing(unless_of=run)
        try:
            self.place.put(file)
        except OSError as error:
            raise OutputNotWritten(
                f"the output {self.place.path} cannot be written: {error.strerror or error}",
                hint=f"the run has completed, and its output is {file}",
            ) from error
        _record(run).write_text(self._stamp())

    def _stamp(self) -> str:
        """What tells the file from another one at its place."""
        return json.dumps(dataclasses.astuple(self.place.file()))


def _refuse_unwritable(file: Path) -> None:
    """Raise InvalidOutput if a file cannot be made; the folders that it is in may be missing."""
    place = next(parent for parent in file.parents if parent.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise InvalidOutput(
            f"the output {file} cannot be written: {place} is not a folder that you may write to"
        )


def _record(run: RunDirectory) -> Path:
    return run.inputs / "output.json"
