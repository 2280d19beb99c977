"""Exit statuses of the commands."""

from __future__ import annotations

from prefect_parallel.errors import (
    EnvironmentBuildFailed,
    InvalidCall,
    InvalidFile,
    InvalidInput,
    UnknownCompute,
)
from prefect_parallel.layout import UnusableRunDirectory

COMPLETED = 0
FAILED = 1
"""The run failed or was canceled."""

INVALID = 2
"""Nothing was run."""

INVALID_ERRORS = (
    InvalidCall,
    InvalidFile,
    InvalidInput,
    UnknownCompute,
    UnusableRunDirectory,
    EnvironmentBuildFailed,
)
"""Errors that the command or the flow finds before any step starts."""
