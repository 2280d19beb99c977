"""The requirements of an environment that this interpreter does not meet."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from prefect_parallel.job import CondaSpec, Requirements

NOT_NEEDED = frozenset({"azureml-dataset-runtime", "mltable"})
"""Packages with which Azure ML reads inputs, as this package does here."""

CONDA_NAMES = {
    "dask-core": "dask",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python",
    "py-opencv": "opencv-python",
    "py-xgboost": "xgboost",
    "pytorch": "torch",
}
"""Conda's names of Python packages that have another name on PyPI."""


def unmet_requirements(requirements: Requirements) -> list[str]:
    """List the requirements that are not met, each with the installed version.

    Lines for pip that name no package (options, URLs, folders) and conda packages that are not
    Python packages are not checked.
    """
    found = []
    if requirements.python is not None:
        ours = platform.python_version()
        if not _any_allows(requirements.python.versions, ours):
            found.append(f"{requirements.python.text} (this is {ours})")
    for spec in requirements.conda:
        found += _unmet_conda(spec)
    for line in requirements.pip:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if canonicalize_name(requirement.name) not in NOT_NEEDED:
            found += _unmet(requirement, set())
    return list(dict.fromkeys(found))


def _unmet_conda(spec: CondaSpec) -> Iterator[str]:
    version = _installed(CONDA_NAMES.get(spec.name, spec.name))
    if version is not None and not _any_allows(spec.versions, version):
        yield f"{spec.text} ({version} is installed)"


def _unmet(requirement: Requirement, seen: set[tuple[str, str]]) -> Iterator[str]:
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return
    version = _installed(requirement.name)
    if version is None:
        yield f"{requirement} (not installed)"
        return
    if not requirement.specifier.contains(version, prereleases=True):
        yield f"{requirement} ({version} is installed)"
    for extra in sorted(requirement.extras):
        if (requirement.name, extra) not in seen:
            seen.add((requirement.name, extra))
            for needed in _needed_by(requirement.name, extra):
                yield from _unmet(needed, seen)


def _needed_by(name: str, extra: str) -> Iterator[Requirement]:
    """The requirements of an extra of an installed package."""
    for text in metadata.requires(name) or ():
        needed = Requirement(text)
        marker = needed.marker
        if marker and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""}):
            needed.marker = None
            yield needed


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None


def _any_allows(versions: tuple[str, ...], version: str) -> bool:
    """Whether any constraint allows a version. A constraint only conda can parse allows all."""
    return not versions or any(_allows(each, version) for each in versions)


def _allows(versions: str, version: str) -> bool:
    try:
        return SpecifierSet(versions).contains(version, prereleases=True)
    except InvalidSpecifier:
        return True
