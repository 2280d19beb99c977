"""Prefect blocks: where parallel steps run, and what `azureml:` names of data refer to.

`prefect block register -m prefect_parallel.blocks` registers their types with a Prefect server, as
does saving a block.
"""

from __future__ import annotations

from prefect_parallel.blocks.compute import Compute
from prefect_parallel.blocks.data_asset import DataAsset
from prefect_parallel.blocks.datastore import Datastore

__all__ = ["Compute", "DataAsset", "Datastore"]
