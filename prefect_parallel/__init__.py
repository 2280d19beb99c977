"""Azure Machine Learning's parallel job, on Prefect and Dask, without Azure.

Names are imported when they are first used: an entry process needs little of the package, and
`prefect-parallel --help` even less.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect_parallel.flow.compile import compile_pipeline

__all__ = ["compile_pipeline"]

_HOMES = {"compile_pipeline": "prefect_parallel.flow.compile"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
