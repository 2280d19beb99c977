"""`prefect-parallel blocks`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prefect_parallel.blocks.block_file import (
    SavedBlock,
    load_block_file,
    save_blocks,
    saved_blocks,
)
from prefect_parallel.cli.console import lasting_console
from prefect_parallel.flow.server.server import prefect_server


def apply_blocks(file: Path) -> None:
    """Save the blocks of a file and print whether each was created or updated.

    Raises:
        InvalidBlockFile: The file raises an exception, or defines no block. Nothing is saved.
        ServerUnreachable: The configured Prefect server does not answer.
    """
    blocks = load_block_file(file)
    with prefect_server():
        _print(save_blocks(blocks))


def list_blocks() -> None:
    """Print the blocks of the server."""
    with prefect_server():
        _print(saved_blocks())


def _print(blocks: Iterable[SavedBlock]) -> None:
    console = lasting_console()
    block = None
    for block in blocks:
        console.print(f"{block.type:<10}  {block.name:<24}  {block.what}")
    if block is None:
        console.print("no blocks; save some with: prefect-parallel blocks apply FILE")
