"""A snapshot of a step's code, so that a run is not changed by who edits it meanwhile."""

from __future__ import annotations

import shutil
from pathlib import Path

LEFT_OUT = shutil.ignore_patterns("__pycache__", ".git", ".venv", ".ipynb_checkpoints")


def take_snapshot(code: Path, target: Path, *, run_directory: Path) -> None:
    """Copy a code folder, or the one file that it is, in place of an earlier snapshot.

    Args:
        code: A folder or a file.
        target: The folder of the snapshot.
        run_directory: Not part of the code, nor are its neighbours, the other runs, if they lie in
            a folder inside `code`.
    """
    if target.exists():
        shutil.rmtree(target)
    if code.is_file():
        target.mkdir(parents=True)
        shutil.copy2(code, target)
        return
    runs = {run_directory.resolve(), run_directory.parent.resolve()}

    def ignore(folder: str, names: list[str]) -> set[str]:
        ours = {name for name in names if (Path(folder) / name).resolve() in runs}
        return LEFT_OUT(folder, names) | ours

    shutil.copytree(code, target, ignore=ignore, ignore_dangling_symlinks=True)
