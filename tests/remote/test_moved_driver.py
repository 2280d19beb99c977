"""A run in a store that several machines drive, one after another."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefect_parallel.flow.run_directories.lock import hold
from prefect_parallel.flow.run_directories.run_handle import RunHandle
from prefect_parallel.flow.run_directories.runs import Runs


class Machine:
    """A machine with a copy of the run."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._patch = patch

    def handle(self, *, resumes: bool = True) -> RunHandle:
        self._patch.setenv("XDG_CACHE_HOME", str(self._folder))
        return Runs.at(f"memory://{self._folder.parent}").handle("run", resumes=resumes)

    def drive(self, token: str, *, resumes: bool = True) -> None:
        """Continue the run: rewrite one file, keep one, replace the file of the last driver."""
        run = self.handle(resumes=resumes)
        outputs = run.directory.step("step").outputs
        outputs.mkdir(parents=True, exist_ok=True)
        for file in outputs.glob("by *"):
            file.unlink()
        run.directory.token_file.write_text(token)
        run.directory.job_file.write_text("type: pipeline")
        for name in ("shared", f"by {token}"):
            (outputs / name).write_text(token)
        assert run.mirror is not None
        run.mirror.upload()

    def seen(self) -> dict[str, str]:
        outputs = self.handle().directory.step("step").outputs
        return {file.name: file.read_text() for file in outputs.iterdir()}


def test_a_run_that_moved_and_came_back_is_not_that_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (Machine(tmp_path / name, monkeypatch) for name in ("first", "second"))
    first.drive("one", resumes=False)
    unfinished = first.handle().directory.step("step").outputs / "not uploaded"
    unfinished.touch()
    assert first.seen() == {"shared": "one", "by one": "one", "not uploaded": ""}
    assert second.seen() == {"shared": "one", "by one": "one"}
    second.drive("two")
    assert first.seen() == {"shared": "two", "by two": "two"}
    first.drive("three")
    assert first.seen() == second.seen() == {"shared": "three", "by three": "three"}


def test_a_run_that_is_running_here_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path / "here", monkeypatch)
    machine.drive("one", resumes=False)
    directory = machine.handle().directory
    with hold(directory):
        # What a driver does before it uploads.
        directory.token_file.write_text("two")
        assert machine.handle().directory.token_file.read_text() == "two"
    assert machine.handle().directory.token_file.read_text() == "one"
