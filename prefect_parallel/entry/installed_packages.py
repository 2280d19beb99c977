"""The packages that the processes of a step can import, by which reuse tells environments apart."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote, urlsplit

from prefect_parallel.entry.interpreter import Interpreter
from prefect_parallel.layout import RunDirectory


def installed_packages(interpreter: Interpreter | None) -> dict[str, str]:
    """Packages and their versions, and Python's; also what may change without another version.

    That is the code of editable installations and of the folders of `PYTHONPATH`, and the list of
    files of packages that were installed from a folder, an archive or a repository. Without an
    interpreter: what is mounted in a container, whose image tells the rest.
    """
    if interpreter is None:
        return {"prefect_parallel": version("prefect-parallel")}
    prefix = Path(sys.prefix) if interpreter.is_own else interpreter.executable.parent.parent
    if interpreter.is_own:
        found = {"python": platform.python_version()}
        found |= {folder: _digest(Path(folder)) for folder in _python_path()}
        folders: Iterable[Path] = map(Path, sys.path)
    else:
        found = {"prefect_parallel": version("prefect-parallel")}
        folders = prefix.glob("lib/python*/site-packages")
    for folder in folders:
        found.setdefault("python", folder.parent.name)
        for entry in _entries(folder):
            if entry.suffix in (".dist-info", ".egg-info"):
                package, _, number = entry.stem.partition("-")
                found.setdefault(package, " ".join(filter(None, [number, _unreleased(entry)])))
    found |= {f"conda-meta/{entry.name}": "" for entry in _entries(prefix / "conda-meta")}
    return found


def _python_path() -> Iterator[str]:
    return filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _unreleased(installed: Path) -> str:
    """The digest of the code of a package that is not from an index; empty for others."""
    try:
        origin = json.loads((installed / "direct_url.json").read_bytes())
    except OSError:
        return ""
    if origin.get("dir_info", {}).get("editable"):
        return _digest(Path(unquote(urlsplit(origin["url"]).path)))
    return hashlib.sha256((installed / "RECORD").read_bytes()).hexdigest()[:12]


def _digest(folder: Path) -> str:
    """The digest of the Python files in a folder, without the snapshots of code in its runs."""
    digest = hashlib.sha256()
    for parent, folders, names in os.walk(folder):
        if RunDirectory(Path(parent)).lock_file.name in names:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(parent, name) for name in sorted(names) if name.endswith(".py")):
            digest.update(f"{path.relative_to(folder)}\0".encode(errors="surrogateescape"))
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]
