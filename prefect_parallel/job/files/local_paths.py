"""The local paths in a dumped pipeline or component."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from prefect_parallel.job.files.locations import is_local, location_of

Kind: TypeAlias = Literal["data", "component", "code", "conda_file"]

_UNKNOWN_START = re.compile(r"git\+|\$\{\{(?!\s*(output_)?name\s*\}\})")
"""Paths that begin with a value which may be absolute or a URL; names are neither."""


@dataclass(frozen=True)
class LocalPath:
    """A path on this machine, as a value in a dumped pipeline.

    Attributes:
        holder: The mapping that contains it; it may be changed there.
        location: Absolute.
        kind: What it is; the build folder of an image counts as code.
    """

    holder: dict[str, Any]
    key: str
    location: str
    kind: Kind


def make_paths_absolute(data: dict[str, Any], folder: Path) -> None:
    """Make the relative local paths of a dumped pipeline, which start from the folder, absolute."""
    for path in paths_of_job(data, folder):
        path.holder[path.key] = path.location


def paths_of_job(data: dict[str, Any], folder: Path) -> Iterator[LocalPath]:
    """All local paths of a dumped pipeline; relative ones start from the folder."""
    yield from _data_paths(data, folder)
    yield from _paths(data, "component", folder, "component")
    for step in _mapping(data, "jobs").values():
        if isinstance(step, dict):
            # A step may be a pipeline itself.
            yield from paths_of_job(step, folder)
            yield from paths_of_step(step, folder)


def paths_of_step(data: dict[str, Any], folder: Path) -> Iterator[LocalPath]:
    """The files that a dumped step or component needs: code, and files of environments."""
    task = _mapping(data, "task")
    for holder in (data, task):
        yield from _paths(holder, "code", folder)
        environment = holder.get("environment")
        if isinstance(environment, dict):
            yield from _paths(environment, "conda_file", folder, "conda_file")
            yield from _paths(_mapping(environment, "build"), "path", folder)


def _data_paths(data: dict[str, Any], folder: Path) -> Iterator[LocalPath]:
    for named in (_mapping(data, "inputs"), _mapping(data, "outputs")):
        for each in named.values():
            if isinstance(each, dict):
                yield from _paths(each, "path", folder, "data")
    outputs = _mapping(data, "outputs")
    for name in outputs:
        # Text of a command step.
        yield from _paths(outputs, name, folder, "data")


def _mapping(data: dict[str, Any], key: str) -> dict[str, Any]:
    """A mapping; an empty one if there is none, for the values of a file may be anything."""
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _paths(
    holder: dict[str, Any], key: str, folder: Path, kind: Kind = "code"
) -> Iterator[LocalPath]:
    value = holder.get(key)
    if isinstance(value, str) and not _UNKNOWN_START.match(value):
        location = location_of(value.removeprefix("file:"), folder)
        if is_local(location):
            yield LocalPath(holder, key, location, kind)
