"""Where paths of a pipeline lead."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote


def location_of(path: str, folder: Path) -> str:
    """An absolute local path, or the URL or asset name as it stands.

    Args:
        path: As written; `file:` is local, with or without slashes.
        folder: What a relative one counts from.
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


def misfit(location: str, of_type: str) -> tuple[str, str | None] | None:
    """Why a local path cannot be data of that type, and what to do; None if it can be."""
    path = Path(location)
    if not path.exists():
        near = path.parent
        hint = None
        if near.is_dir():
            names = sorted(child.name for child in near.iterdir())[:8]
            hint = f"{near} holds: {', '.join(names)}" if names else f"{near} is empty"
        return f"there is no {path}", hint
    if of_type == "uri_file" and path.is_dir():
        return f"{path} is a folder", "write type: uri_folder"
    if of_type == "uri_folder" and not path.is_dir():
        return f"{path} is a file", "write type: uri_file, or name the folder"
    if of_type == "mltable" and path.is_dir() and not (path / "MLTable").is_file():
        return f"there is no file MLTable in {path}", None
    if of_type == "mltable" and not path.is_dir() and path.name != "MLTable":
        return f"{path} is not a folder", "name the folder that holds the file MLTable"
    return None
