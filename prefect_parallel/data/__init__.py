"""From an input to mini-batches, and from a mini-batch to what `run` gets."""

from __future__ import annotations

from prefect_parallel.data.mini_batch import File, MiniBatch, Piece
from prefect_parallel.data.plan import Plan, plan
from prefect_parallel.data.reader import Reader, open_reader
from prefect_parallel.data.split import ByKeys, BySize

__all__ = [
    "ByKeys",
    "BySize",
    "File",
    "MiniBatch",
    "Piece",
    "Plan",
    "Reader",
    "open_reader",
    "plan",
]
