"""The commands of blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

blocks = App(
    name="blocks",
    help="Manage Prefect blocks: the computes, datastores and data assets that pipelines refer to.",
)


@blocks.command
def apply(file: Annotated[Path, Parameter(name=["--file", "-f"])]) -> None:
    """Save the blocks that a Python file assigns to variables, or update them.

    Example: prefect-parallel blocks apply blocks/local.py

    Args:
        file: Python file. It is executed, and its variable cpu_cluster becomes the block
            cpu-cluster.
    """
    from prefect_parallel.cli.blocks import apply_blocks

    apply_blocks(file)


@blocks.command(name="ls")
def list_() -> None:
    """List the computes, datastores and data assets of the Prefect server.

    Example: prefect-parallel blocks ls
    """
    from prefect_parallel.cli.blocks import list_blocks

    list_blocks()
