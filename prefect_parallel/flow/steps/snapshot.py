"""Snapshots of a step's code: edits during a run have no effect on it."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from prefect_parallel.errors import PrefectParallelError

LEFT_OUT = shutil.ignore_patterns("__pycache__", ".git", ".venv", ".ipynb_checkpoints")


class CodeNotCopied(PrefectParallelError):
    """The code of a step cannot be copied to the run directory."""


def take_snapshot(code: Path, target: Path, *, leave_out: Collection[Path]) -> None:
    """Copy a folder or file into the folder of the snapshot, replacing an earlier one.

    `leave_out` are files and folders in it that are not copied.

    Raises:
        CodeNotCopied: A file cannot be read or written. There is no snapshot.
        OSError: Likewise.
    """
    if target.exists():
        shutil.rmtree(target)
    if code.is_file():
        target.mkdir(parents=True)
        shutil.copy2(code, target)
        return
    unwanted = {path.resolve() for path in leave_out}

    def ignore(folder: str, names: list[str]) -> set[str]:
        found = {name for name in names if (Path(folder) / name).resolve() in unwanted}
        return LEFT_OUT(folder, names) | found

    try:
        shutil.copytree(code, target, ignore=ignore, ignore_dangling_symlinks=True)
    except shutil.Error as error:
        shutil.rmtree(target)
        # Of each file: its source, its target and the reason.
        source, _, reason = error.args[0][0]
        raise CodeNotCopied(f"{source} cannot be copied to {target}: {reason}") from error
