"""`prefect-parallel --version`: the versions that belong into a bug report."""

from __future__ import annotations

import platform

PACKAGES = ("prefect", "prefect-dask", "dask", "distributed", "pandas", "pyarrow")
"""Dependencies whose versions are shown beside that of this package."""


def versions() -> str:
    """One version per line, read without importing the packages."""
    # Takes as long to import as the rest of this package does.
    from importlib.metadata import version

    lines = [
        ("prefect-parallel", version("prefect-parallel")),
        ("Python", platform.python_version()),
        *((package, version(package)) for package in PACKAGES),
        ("platform", platform.platform()),
    ]
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {what}" for name, what in lines)
