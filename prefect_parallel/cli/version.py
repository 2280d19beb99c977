"""`prefect-parallel --version`: what a report of a fault should begin with."""

from __future__ import annotations

import platform
from importlib.metadata import version

PACKAGES = ("prefect", "prefect-dask", "dask", "distributed", "pandas", "pyarrow")
"""Beside this one, those whose versions decide how a run goes."""


def versions() -> str:
    """The versions that matter, one a line; no package is imported for it."""
    lines = [
        ("prefect-parallel", version("prefect-parallel")),
        ("Python", platform.python_version()),
        *((package, version(package)) for package in PACKAGES),
        ("platform", platform.platform()),
    ]
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {what}" for name, what in lines)
