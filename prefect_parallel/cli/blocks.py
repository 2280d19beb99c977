"""`prefect-parallel blocks`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from prefect_parallel.blocks.block_file import (
    SavedBlock,
    load_block_file,
    save_blocks,
    saved_blocks,
)
from prefect_parallel.flow.server.server import prefect_server


def apply_blocks(file: Path) -> None:
    """Save the blocks of a file, and say of each whether it is new.

    Raises:
        InvalidBlockFile: The file cannot be run, or has no block; nothing is saved.
        ServerUnreachable: The server that would have them does not answer.
    """
    documents = load_block_file(file)
    with prefect_server():
        _print(save_blocks(documents))


def list_blocks() -> None:
    """Print the blocks that the server has.

    Raises:
        ServerUnreachable: The server that would have them does not answer.
    """
    with prefect_server():
        _print(saved_blocks())


def _print(blocks: Iterable[SavedBlock]) -> None:
    console = Console(highlight=False, markup=False, soft_wrap=True)
    any_there = False
    for block in blocks:
        any_there = True
        console.print(f"{block.type:<10}  {block.name:<24}  {block.what}")
    if not any_there:
        console.print("no blocks; prefect-parallel blocks apply FILE saves some")
