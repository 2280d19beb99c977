"""Prefect blocks: where parallel steps run, and what `azureml:` names of data stand for.

`prefect block register -m prefect_parallel.blocks` makes them known to a server's UI; saving one
does so, too.
"""

from __future__ import annotations

from prefect_parallel.blocks.compute import Compute
from prefect_parallel.blocks.data_asset import DataAsset
from prefect_parallel.blocks.datastore import Datastore

__all__ = ["Compute", "DataAsset", "Datastore"]
