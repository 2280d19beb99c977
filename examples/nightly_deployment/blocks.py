"""What the pipeline's names stand for on the server: `prefect-parallel blocks apply blocks.py`.

Here all of it is on this machine, so that it can be tried. In earnest, `shop` is a URL such as
abfs://shop, with storage options, and the compute a Dask cluster's address.
"""

from pathlib import Path

from prefect_parallel.blocks import Compute, DataAsset, Datastore

# `azureml:scoring-cluster`: this machine, and never more than two nodes of it.
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
