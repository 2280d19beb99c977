"""What the processes of a step run on: this Python, or one that was built for them."""

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
"""Variables that lead a Python to the packages of another one."""


@dataclass(frozen=True)
class Interpreter:
    """A Python.

    Attributes:
        executable: Its path.
        is_own: Whether it is the one that runs this.
    """

    executable: Path
    is_own: bool = False

    @classmethod
    def own(cls) -> Interpreter:
        """The one that runs this."""
        return cls(Path(sys.executable), is_own=True)

    def variables(self, given: Mapping[str, str]) -> dict[str, str]:
        """All variables of a process that runs on it: this process's, and those that are given.

        `python` means this one, even where its environment is not activated, and it finds this
        package.
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
            # The packages of a user's own folder may be this Python's.
            "PYTHONNOUSERSITE": "1",
            **given,
            "PYTHONPATH": os.pathsep.join(found_first),
        }


def folder_of_this_package() -> Path:
    """A folder in which another Python finds this package, and nothing else of this one's."""
    digest = hashlib.sha256(os.fsencode(PACKAGE)).hexdigest()[:16]
    folder = cache_folder("package") / digest
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / PACKAGE.name
    if not link.is_symlink():
        try:
            link.symlink_to(PACKAGE, target_is_directory=True)
        except FileExistsError:
            # Another process has just made it, to the same place.
            return folder
    return folder
