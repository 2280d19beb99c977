"""From an input to mini-batches, and from a mini-batch to what `run` gets.

`plan` makes descriptors of mini-batches, and says what a reader needs to know; `open_reader` makes
the reader that loads them, in any process. Importing this imports neither pandas nor pyarrow.
"""

from __future__ import annotations

from prefect_parallel.data.context import MiniBatchContext
from prefect_parallel.data.datastores import NO_DATASTORES, Asset, Datastore, Datastores
from prefect_parallel.data.fetched import Fetched
from prefect_parallel.data.load import FileCollection, Table, load_files, load_table
from prefect_parallel.data.location import Location
from prefect_parallel.data.mini_batch import File, MiniBatch, Piece
from prefect_parallel.data.plan import Plan, plan
from prefect_parallel.data.reader import Reader, open_reader
from prefect_parallel.data.split import ByKeys, BySize

__all__ = [
    "NO_DATASTORES",
    "Asset",
    "ByKeys",
    "BySize",
    "Datastore",
    "Datastores",
    "Fetched",
    "File",
    "FileCollection",
    "Location",
    "MiniBatch",
    "MiniBatchContext",
    "Piece",
    "Plan",
    "Reader",
    "Table",
    "load_files",
    "load_table",
    "open_reader",
    "plan",
]
