"""The datastores and data assets that a command knows."""

from __future__ import annotations

from pathlib import Path

from prefect_parallel.data import NO_DATASTORES, Datastores
from prefect_parallel.flow.server.block_datastores import with_blocks


def known_datastores(file: Path | None) -> Datastores:
    """The names that a file defines; all others are looked up in Prefect blocks.

    Raises:
        InvalidDatastores: The file is missing or has mistakes.
    """
    return with_blocks(NO_DATASTORES if file is None else Datastores.load(file))
