"""What the exit status of a command says."""

from __future__ import annotations

from prefect_parallel.errors import EnvironmentNotBuilt, InvalidFile, InvalidInput, UnknownCompute
from prefect_parallel.layout import UnusableRunDirectory

COMPLETED = 0
FAILED = 1
"""Or canceled."""

INVALID = 2
"""Nothing ran."""

NOTHING_RAN = (
    InvalidFile,
    InvalidInput,
    UnknownCompute,
    UnusableRunDirectory,
    EnvironmentNotBuilt,
)
"""Errors that are found before any step starts, by the command or by the flow."""
