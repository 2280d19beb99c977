"""The blocks that the pipeline's names refer to: `prefect-parallel blocks apply blocks.py`.

To try it, everything is on this machine. In production, `shop` would be a URL such as abfs://shop
with storage options, and the compute would have the address of a Dask cluster.
"""

from pathlib import Path

from prefect_parallel.blocks import Compute, DataAsset, Datastore

# `azureml:scoring-cluster`: this machine, with at most two nodes.
scoring_cluster = Compute(max_instances=2)

# `azureml://datastores/shop/paths/...`
shop = Datastore(url=str(Path(__file__).absolute().parent / "shop"))

# `azureml:churn-model:1` and `azureml:churn-model@latest`
churn_model = DataAsset(
    name="churn-model",
    version="1",
    type="uri_folder",
    path="azureml://datastores/shop/paths/models/churn",
)
