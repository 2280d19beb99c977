"""From the parts of a step to its aggregated output."""

from __future__ import annotations

import os
from pathlib import Path

from prefect_parallel.atomic_write import atomic_write, remove_leftovers
from prefect_parallel.output.formats import OutputFormat, Parts
from prefect_parallel.output.returns import Returns


def aggregate(
    parts: Parts, returns: Returns, target: Path, format_: OutputFormat, *, header: bool
) -> None:
    """Join the parts into one file, in the order of the mini-batches.

    Args:
        returns: What the mini-batches of these parts returned.
        target: The aggregated output; it appears whole, or not at all.
        header: Whether column names come first, where the format has such a line.

    Raises:
        MixedReturns: Some parts do not fit together.
    """
    returns.check()
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(target)
    with atomic_write(target) as file:
        format_.join(parts, returns, file, header=header)
        file.flush()
        os.fsync(file.fileno())
