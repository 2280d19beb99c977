"""From an input to mini-batches, and from a mini-batch to what `run` gets.

`plan` makes descriptors of mini-batches, and says what a reader needs to know; `open_reader` makes
the reader that loads them, in any process. Importing this imports neither pandas nor pyarrow.

The packages in their order; each imports only what is to its left:

    mini_batch <- locations <- mltable, columns <- transformations <- formats <- reading <- planning
        <- spool <- describe, load

| package | what is in it |
| --- | --- |
| `mini_batch` | the descriptor of a mini-batch |
| `locations` | paths, URLs and `azureml:` names; listing folders; local copies |
| `mltable` | the MLTable file |
| `columns` | rows in memory, types of columns, datetimes |
| `transformations` | filters, conversions and all else that an MLTable does to rows |
| `formats` | readers of CSV, JSON lines, Parquet and Delta |
| `reading` | from a mini-batch to what `run` gets |
| `planning` | from an input to mini-batches |
| `spool` | files for data that is only in memory |
| `describe` | from data of any kind to an input |
| `load` | data without a pipeline |
"""

from __future__ import annotations

from prefect_parallel.data.describe import InputDescription, describe_data
from prefect_parallel.data.load import FileCollection, Table, load_files, load_table
from prefect_parallel.data.locations.datastores import NO_DATASTORES, Asset, Datastore, Datastores
from prefect_parallel.data.locations.file_cache import FileCache
from prefect_parallel.data.locations.location import Location
from prefect_parallel.data.locations.publish import publish
from prefect_parallel.data.locations.registered import Registered
from prefect_parallel.data.mini_batch import File, MiniBatch, Piece
from prefect_parallel.data.mini_batch_context import MiniBatchContext, WatchedContext
from prefect_parallel.data.planning.plan import Plan, plan
from prefect_parallel.data.planning.split import ByKeys, BySize, Size
from prefect_parallel.data.reading.reader import Reader, open_reader

__all__ = [
    "NO_DATASTORES",
    "Asset",
    "ByKeys",
    "BySize",
    "Datastore",
    "Datastores",
    "File",
    "FileCache",
    "FileCollection",
    "InputDescription",
    "Location",
    "MiniBatch",
    "MiniBatchContext",
    "Piece",
    "Plan",
    "Reader",
    "Registered",
    "Size",
    "Table",
    "WatchedContext",
    "describe_data",
    "load_files",
    "load_table",
    "open_reader",
    "plan",
    "publish",
]
