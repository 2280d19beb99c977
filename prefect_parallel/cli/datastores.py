"""What `--datastores` gives."""

from __future__ import annotations

from pathlib import Path

from prefect_parallel.data import NO_DATASTORES, Datastores
from prefect_parallel.flow.server.block_datastores import with_blocks


def known_datastores(file: Path | None) -> Datastores:
    """Those of the file, and of Prefect blocks for what it does not name.

    Raises:
        InvalidDatastores: The file has mistakes.
    """
    return with_blocks(NO_DATASTORES if file is None else Datastores.load(file))
