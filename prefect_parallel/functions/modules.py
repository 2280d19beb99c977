"""Which modules an entry process can import, and which are the user's own."""

from __future__ import annotations

import functools
import site
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

_SITE = {
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    site.getusersitepackages(),
}

_INSTALLED = tuple(f"{folder}/" for folder in (*_SITE, Path(__file__).parents[1]))


def is_installed(module: str) -> bool:
    """Whether a module belongs to Python, to an installed package, or to this package.

    The script that was started does not, even with `python -m` of a package.
    """
    if module == "__main__":
        return False
    file = _file(module)
    return module in sys.modules if file is None else file.startswith(_INSTALLED)


def modules_by_value() -> Iterator[ModuleType]:
    """The loaded modules that an entry process cannot import by their names."""
    for name, module in list(sys.modules.items()):
        if name != "__main__" and isinstance(module, ModuleType) and not _is_importable(name):
            yield module


def _is_importable(module: str) -> bool:
    return is_installed(module) or any(
        _file(module) in (f"{folder}/{inside}.py", f"{folder}/{inside}/__init__.py")
        for inside in [module.replace(".", "/")]
        for folder in _editable_folders()
    )


def _file(module: str) -> str | None:
    return getattr(sys.modules.get(module), "__file__", None)


@functools.cache
def _editable_folders() -> tuple[str, ...]:
    """The folders that editable installations have added to the path, by `.pth` files."""
    files = (file for folder in _SITE for file in Path(folder).glob("*.pth"))
    lines = (line.strip() for file in files for line in file.read_text().splitlines())
    return tuple(line for line in lines if line.startswith("/"))
