"""The command line: `prefect-parallel`."""

from __future__ import annotations

from prefect_parallel.cli.main import main

__all__ = ["main"]
