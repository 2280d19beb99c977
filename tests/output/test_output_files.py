"""Files of `output_dir`: moved to the output and back, by processes that may be killed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.output_files import (
    OutputFiles,
    UnusableFiles,
    files_fingerprint,
    files_in,
    move_back,
)
from prefect_parallel.output.part import Record


def written(directory: StepDirectory, *folders: tuple[str, ...]) -> list[Record]:
    """The records of mini-batches that have written these files."""
    records = []
    for index, names in enumerate(folders):
        folder = directory.output_dirs / f"{index:06d}-0"
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(name)
        files = files_fingerprint(folder)
        records.append(Record(index, 1, 1, 1, output_dir=folder.name, output_files=files))
    return records


def moved(directory: StepDirectory, records: list[Record], other: Path | None = None) -> list[str]:
    directory.output("models").mkdir(parents=True, exist_ok=True)
    OutputFiles.of(directory, records, "models", other).move()
    assert not directory.output_dirs.exists()
    return files_in(directory.output("models"))


def killed_at_rename(number: int, directory: StepDirectory, records: list[Record]) -> bool:
    """Move the files, in a process that is killed before a rename; whether it was."""
    child = os.fork()
    if child == 0:
        left = [number]

        def count(event: str, arguments: tuple[Any, ...]) -> None:
            # Others are those of coverage, as the process ends.
            if event == "os.rename" and directory.root in Path(arguments[0]).parents:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(count)
            moved(directory, records)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def test_a_process_that_is_killed_while_it_moves_files_loses_none(tmp_path: Path) -> None:
    killed = 0
    for number in range(1, 7):
        directory = StepDirectory(tmp_path / str(number))
        records = written(directory, ("a/1", "a/2"), ("b",))
        (directory.output_dirs / "of an attempt that was killed").mkdir()
        killed += killed_at_rename(number, directory, records)
        move_back(directory)
        assert files_in(directory.outputs) == []
        assert moved(directory, records) == ["a/1", "a/2", "b"]
        move_back(directory)
        # The folder a/ goes with its files.
        assert list(directory.output("models").glob("*")) == []
        assert moved(directory, records[1:]) == ["b"]
    assert killed == 4, "before the list has its name, and before each file is moved"


@pytest.mark.parametrize(
    ("folders", "error"),
    [
        ((("a",), ("b",), ("a",)), "the file a of mini-batch 2 in .* with a file of mini-batch 0"),
        ((("a",), ("a/b",)), "the file a/b of mini-batch 1 in .* with a file of mini-batch 0"),
        ((("a/b/c",), ("a",)), "the file a of mini-batch 1 in .* with a file of mini-batch 0"),
        ((("rows.csv",),), "the file rows.csv of mini-batch 0 in .* with a file of append_row_to"),
        ((("x",), ("own",)), "mini-batch 1 has written own to output_dir, but .* has such a file"),
    ],
)
def test_files_with_the_same_name(
    tmp_path: Path, folders: tuple[tuple[str, ...], ...], error: str
) -> None:
    directory = StepDirectory(tmp_path)
    records = written(directory, *folders)
    output = directory.output("models")
    output.mkdir(parents=True)
    (output / "own").touch()
    with pytest.raises(UnusableFiles, match=error):
        moved(directory, records, output / "rows.csv")
    assert files_in(output) == ["own"]


def test_files_that_have_changed_are_not_moved(tmp_path: Path) -> None:
    directory = StepDirectory(tmp_path)
    records = written(directory, ("a", "b"))
    (directory.output_dirs / records[0].output_dir / "a").write_text("longer")
    with pytest.raises(UnusableFiles, match="mini-batch 0 has written to output_dir are missing"):
        moved(directory, records)
