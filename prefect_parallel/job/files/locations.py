"""Locations of the paths in a pipeline."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import unquote

Kind: TypeAlias = Literal["file", "folder"]


def location_of(path: str, folder: Path) -> str:
    """An absolute local path, or the unchanged URL or name of an asset.

    `file:` is local, with or without slashes. A relative path starts from the folder.
    """
    if path.startswith("file://"):
        path = unquote(path.removeprefix("file://").removeprefix("localhost"))
    path = path.removeprefix("file:")
    if path.startswith("azureml:") or "://" in path:
        return path
    return os.path.abspath(folder / path)  # noqa: PTH100 - links stay as the user wrote them


def is_local(location: str) -> bool:
    """Whether it is a path on this machine."""
    return "://" not in location and not location.startswith("azureml:")


def kind_of(path: Path) -> Kind | None:
    """The kind of a path; None if nothing is there, or it cannot be accessed."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return None
    return "folder" if stat.S_ISDIR(mode) else "file"


def misfit(location: str, of_type: str) -> tuple[str, str | None] | None:
    """Why a local path cannot be data of that type, and what to do; None if it can be."""
    path = Path(location)
    kind = kind_of(path)
    if kind is None:
        near = path.parent
        hint = None
        if kind_of(near) == "folder":
            names = sorted(child.name for child in near.glob("*"))[:8]
            hint = f"{near} contains: {', '.join(names)}" if names else f"{near} is empty"
        return f"there is no {path}", hint
    if of_type == "uri_file" and kind == "folder":
        return f"{path} is a folder", "write type: uri_folder"
    if of_type == "uri_folder" and kind == "file":
        return f"{path} is a file", "write type: uri_file, or give the folder"
    if of_type == "mltable" and kind == "folder" and kind_of(path / "MLTable") != "file":
        return f"there is no file MLTable in {path}", None
    if of_type == "mltable" and kind == "file" and path.name != "MLTable":
        return f"{path} is not a folder", "give the folder that contains the file MLTable"
    return None
