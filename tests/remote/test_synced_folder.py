"""A folder and its copy in a real store."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from prefect_parallel.data import Location
from prefect_parallel.flow.run_directories.synced_folder import FileStamp, SyncedFolder
from tests.remote.conftest import Store


class Busy(SyncedFolder):
    """A folder in which a script deletes its temporary file after the look, before the upload."""

    def changes(self, files: Iterable[Path]) -> tuple[dict[str, FileStamp], list[str]]:
        found = super().changes(files)
        (self.folder / "temporary").unlink(missing_ok=True)
        return found


def place(store: Store, name: str) -> Location:
    return Location(f"azureml://datastores/{name}/paths/run", store.datastores)


def test_a_file_that_vanishes_before_it_is_uploaded(tmp_path: Path, s3: Store) -> None:
    for name in ("kept", "temporary"):
        (tmp_path / name).write_text(name)
    synced = Busy(tmp_path, place(s3, "store"))
    synced.update(list(tmp_path.iterdir()))
    assert s3.files() == {"run/kept": b"kept"}
    assert list(synced.stamps) == ["kept"]


def test_what_is_deleted_is_removed_and_what_is_no_file_is_left_alone(
    tmp_path: Path, s3: Store
) -> None:
    for name in ("kept", "deleted"):
        (tmp_path / name).write_text(name)
    os.mkfifo(tmp_path / "pipe")
    synced = SyncedFolder(tmp_path, place(s3, "store"))
    synced.update(list(tmp_path.iterdir()))
    (tmp_path / "deleted").unlink()
    synced.update(synced.known_below(tmp_path))
    assert s3.files() == {"run/kept": b"kept"}


def test_a_store_that_is_not_there_is_still_an_error(tmp_path: Path, s3: Store) -> None:
    (tmp_path / "kept").write_text("kept")
    nowhere = Store(f"s3://no-bucket-of-this-name/{tmp_path.name}", s3.options)
    synced = SyncedFolder(tmp_path, place(nowhere, "store"))
    with pytest.raises(FileNotFoundError):
        synced.update([tmp_path / "kept"])
    assert synced.stamps == {}
