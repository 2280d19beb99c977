"""What `--datastores` gives."""

from __future__ import annotations

from pathlib import Path

from prefect_parallel.data import NO_DATASTORES, Datastores


def known_datastores(file: Path | None) -> Datastores:
    """Those of the file; none without it.

    Raises:
        InvalidDatastores: The file has mistakes.
    """
    return NO_DATASTORES if file is None else Datastores.load(file)
