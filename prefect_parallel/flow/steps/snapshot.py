"""A snapshot of a step's code, so that a run is not changed by who edits it meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

LEFT_OUT = shutil.ignore_patterns("__pycache__", ".git", ".venv", ".ipynb_checkpoints")


def take_snapshot(code: Path, target: Path, *, leave_out: Collection[Path]) -> None:
    """Copy a code folder, or the one file that it is, in place of an earlier snapshot.

    Args:
        code: A folder or a file.
        target: The folder of the snapshot.
        leave_out: What is not part of the code, if it lies inside `code`.
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
