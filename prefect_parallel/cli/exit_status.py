"""What the exit status of a command says."""

from __future__ import annotations

from prefect_parallel.errors import (
    EnvironmentBuildFailed,
    InvalidFile,
    InvalidInput,
    UnknownCompute,
)
from prefect_parallel.layout import UnusableRunDirectory

COMPLETED = 0
FAILED = 1
"""Or canceled."""

INVALID = 2
"""Nothing ran."""

INVALID_ERRORS = (
    InvalidFile,
    InvalidInput,
    UnknownCompute,
    UnusableRunDirectory,
    EnvironmentBuildFailed,
)
"""Errors that are found before any step starts, by the command or by the flow."""
