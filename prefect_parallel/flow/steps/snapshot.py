"""Snapshots of a step's code: edits during a run have no effect on it."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

LEFT_OUT = shutil.ignore_patterns("__pycache__", ".git", ".venv", ".ipynb_checkpoints")


def take_snapshot(code: Path, target: Path, *, leave_out: Collection[Path]) -> None:
    """Copy a folder or file into the folder of the snapshot, replacing an earlier one.

    `leave_out` are files and folders in it that are not copied.
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

    shutil.copytree(code, target, ignore=ignore, ignore_dangling_symlinks=True)
