"""Which files of a folder were written, and which are still being written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from prefect_parallel.flow.run_directories.written_files import WrittenFiles, is_open_for_writing

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is of Linux")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "early").touch()
    return tmp_path


def test_files_are_named_once_for_each_time_they_were_written(folder: Path) -> None:
    written = WrittenFiles(folder)
    assert written.take() == {folder / "below" / "early"}
    assert written.take() == set()
    deep = folder / "new" / "deeper"
    deep.mkdir(parents=True)
    (deep / "before the folder was known").touch()
    (folder / "below" / "early").write_text("again")
    assert written.take() == {
        deep / "before the folder was known",
        folder / "below" / "early",
    }
    # By another process, under another name first, and one whose name is no UTF-8.
    strange = Path(os.fsdecode(bytes(deep) + b"/\xff"))
    subprocess.run(["sh", "-c", 'echo > "$0.new"; mv "$0.new" "$0"', strange], check=True)
    taken = written.take()
    assert taken is not None
    assert strange in taken
    (folder / "below" / "early").unlink()
    assert written.take() == {folder / "below" / "early"}
    written.put_back([folder / "below" / "early"])
    assert written.take() == {folder / "below" / "early"}
    written.close()


def test_all_may_have_changed_when_a_folder_was_renamed_and_is_watched_from_then_on(
    folder: Path,
) -> None:
    written = WrittenFiles(folder)
    written.take()
    (folder / "below").rename(folder / "renamed")
    assert written.take() is None
    assert written.take() == {folder / "renamed" / "early"}
    (folder / "renamed" / "early").write_text("again")
    assert written.take() == {folder / "renamed" / "early"}
    shutil.rmtree(folder / "renamed")
    assert written.take() == {folder / "renamed" / "early"}
    written.close()


def test_more_events_than_the_system_keeps(folder: Path) -> None:
    written = WrittenFiles(folder)
    kept = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for number in range(kept // 3):
        file = folder / f"{number % 2}"
        file.touch()
        file.rename(folder / f"{number % 2} renamed")
    assert written.take() is None
    (folder / "late").touch()
    taken = written.take()
    assert taken is not None
    assert folder / "late" in taken
    written.close()


def test_a_file_is_unfinished_as_long_as_any_process_may_write_to_it(folder: Path) -> None:
    file = folder / "below" / "early"
    assert not is_open_for_writing(file)
    with subprocess.Popen(
        ["sh", "-c", 'exec 3>>"$0"; echo; read line', file],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert is_open_for_writing(file)
    assert not is_open_for_writing(file)
    with file.open():
        assert not is_open_for_writing(file), "reading does not change it"
    assert not is_open_for_writing(folder / "missing")
