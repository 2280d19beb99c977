"""The Python that processes of a step run on: this one, or one of a built environment."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prefect_parallel.layout import cache_folder

PACKAGE = Path(__file__).parents[1]

_NOT_INHERITED = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
"""Variables that would make a Python use the packages of another one."""


@dataclass(frozen=True)
class Interpreter:
    """A Python interpreter; `is_own`: the one that runs this process."""

    executable: Path
    is_own: bool = False

    @classmethod
    def own(cls) -> Interpreter:
        """The interpreter that runs this process."""
        return cls(Path(sys.executable), is_own=True)

    def variables(self, given: Mapping[str, str]) -> dict[str, str]:
        """Environment variables of a process on this interpreter: inherited and given ones.

        `python` on PATH is this interpreter, even if its environment is not activated, and it can
        import this package.
        """
        inherited = dict(os.environ)
        path = os.pathsep.join([str(self.executable.parent), inherited.get("PATH", os.defpath)])
        if self.is_own:
            return {**inherited, "PATH": path, **given}
        for name in _NOT_INHERITED:
            inherited.pop(name, None)
        found_first = [str(folder_of_this_package()), *filter(None, [given.get("PYTHONPATH")])]
        return {
            **inherited,
            "PATH": path,
            # The user's own site-packages may belong to this process's Python.
            "PYTHONNOUSERSITE": "1",
            **given,
            "PYTHONPATH": os.pathsep.join(found_first),
        }


def folder_of_this_package() -> Path:
    """A folder for PYTHONPATH that contains this package and nothing else."""
    digest = hashlib.sha256(os.fsencode(PACKAGE)).hexdigest()[:16]
    folder = cache_folder("package") / digest
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / PACKAGE.name
    if not link.is_symlink():
        try:
            link.symlink_to(PACKAGE, target_is_directory=True)
        except FileExistsError:
            # Another process has just created it, with the same target.
            return folder
    return folder
