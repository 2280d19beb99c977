"""The command line: `prefect-parallel`."""

from __future__ import annotations

from prefect_parallel.cli.app import main

__all__ = ["main"]
