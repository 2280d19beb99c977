"""Modules of a code folder that hide those of Python or of a package.

The code folder is the first entry of `sys.path` of an entry process, so its `json.py` would be
imported instead of Python's, by this package and by all others.
"""

from __future__ import annotations

import functools
import importlib.util
import subprocess
import sys
from pathlib import Path

_IMPORTED = """
import prefect_parallel.entry.process_main, pandas, pyarrow.csv, pyarrow.parquet, sys
print(*{name.partition(".")[0] for name in sys.modules} - {"__main__"})
"""


def shadowed_modules(code: Path) -> dict[Path, str]:
    """Files and folders of a code folder that hide a module which entry processes import.

    Returns:
        Path -> what it hides, e.g. `Python's module json`.
    """
    modules = [*code.glob("*.py"), *(path.parent for path in code.glob("*/__init__.py"))]
    # Most folders hide nothing, and need not wait for what an entry process imports.
    hiding = [path for path in modules if _exists_elsewhere(path.stem, code)]
    return {
        path: f"Python's module {path.stem}"
        if path.stem in sys.stdlib_module_names
        else f"the package {path.stem}"
        for path in sorted(hiding)
        if path.stem in _imported_by_entry_processes()
    }


def _exists_elsewhere(name: str, code: Path) -> bool:
    if name in sys.stdlib_module_names:
        return True
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return found is not None and code not in Path(found.origin or code / name).parents


@functools.cache
def _imported_by_entry_processes() -> frozenset[str]:
    command = [sys.executable, "-c", _IMPORTED]
    folder = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    # Where a package is missing or broken, at least Python's modules are known.
    return frozenset(done.stdout.split()) if done.returncode == 0 else sys.stdlib_module_names
