"""The folder of run directories that `--output-dir` names, on this machine or on remote storage.

A run on remote storage is written to a folder of this machine first, which is the same for the same
URL, so that the run can be resumed. It is uploaded when a step has ended, and at the end. Two
machines must not drive the same run at a time: only the folder here is locked.
"""

from __future__ import annotations

import hashlib
import itertools
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from prefect_parallel.data import NO_DATASTORES, Datastores, Location
from prefect_parallel.flow.run_directories.run_handle import RunHandle
from prefect_parallel.flow.run_directories.run_mirror import RunMirror
from prefect_parallel.layout import RunDirectory, UnusableRunDirectory, cache_folder


def place_of_run(output_dir: str | Path, run: str) -> tuple[str | Path, str]:
    """The output directory and the name of a run that is given by its name, path or URL."""
    folder, slash, name = run.rstrip("/").rpartition("/")
    return (folder or "/", name) if slash else (output_dir, run)


def runs_in(folder: Path) -> list[RunDirectory]:
    """The runs in a folder, the latest begun first, without those that are being removed."""
    begun: dict[Path, int] = {}
    for file in folder.glob("[!.]*/job.yml"):
        with suppress(FileNotFoundError):  # It was removed meanwhile.
            begun[file.parent] = file.stat().st_mtime_ns
    latest_first = sorted(begun, key=lambda root: (begun[root], root.name), reverse=True)
    return [RunDirectory(root) for root in latest_first]


@dataclass(frozen=True)
class Runs:
    """A folder of run directories on this machine, and where they are uploaded, if anywhere."""

    folder: Path
    remote: Location | None = None

    @classmethod
    def at(cls, output_dir: str | Path, datastores: Datastores = NO_DATASTORES) -> Runs:
        """The folder that `--output-dir` names.

        Raises:
            InvalidInput: The URL names a datastore that is not known.
        """
        place = Location.parse(str(output_dir), datastores=datastores)
        if not place.is_remote:
            return cls(Path(output_dir))
        digest = hashlib.sha256(place.path.encode()).hexdigest()[:16]
        return cls(cache_folder("runs").absolute() / digest, place)

    def has(self, name: str) -> bool:
        """Whether a run of this name was begun before."""
        return self._directory(name).job_file.exists() or self._is_remote(name)

    def handle(self, name: str, *, resumes: bool) -> RunHandle:
        """The run of a name; one that another machine began, or went on with, is downloaded.

        Raises:
            UnusableRunDirectory: Remote storage has such a run, or with `resumes` has not; or it
                cannot be read.
        """
        directory, mirror = self._directory(name), self._mirror(name)
        if mirror is not None:
            if resumes and (not directory.job_file.exists() or mirror.has_moved()):
                mirror.download()
            elif not resumes and mirror.exists():
                raise UnusableRunDirectory(
                    f"{mirror.remote.path} exists already; choose another name, or resume {name}"
                )
        return RunHandle(directory, resumes, mirror)

    def reserve(self, name: str) -> RunHandle:
        """A new run, whose empty directory is made at once; a taken name gets a number.

        Raises:
            UnusableRunDirectory: The directory cannot be made.
        """
        parents = (self.folder, *self.folder.absolute().parents)
        made = tuple(each for each in parents if not each.exists())
        for number in itertools.count(1):
            free = name if number == 1 else f"{name}-{number}"
            root = self._directory(free).root
            try:
                root.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise UnusableRunDirectory(f"cannot make {root}: {error.strerror}") from error
            if not self._is_remote(free):
                break
            root.rmdir()
        return replace(self.handle(free, resumes=False), made=made)

    def _directory(self, name: str) -> RunDirectory:
        return RunDirectory(self.folder / name)

    def _mirror(self, name: str) -> RunMirror | None:
        if self.remote is None:
            return None
        return RunMirror(self._directory(name), self.remote.join(name))

    def _is_remote(self, name: str) -> bool:
        mirror = self._mirror(name)
        return mirror is not None and mirror.exists()
