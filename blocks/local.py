"""Blocks for one machine: `prefect-parallel blocks apply blocks/local.py`."""

from pathlib import Path

from prefect_parallel.blocks import Compute, DataAsset, Datastore

EXAMPLES = Path(__file__).absolute().parents[1] / "examples"

# `compute: azureml:cpu-cluster`: the usual name, so that pipelines from Azure run unchanged.
cpu_cluster = Compute()

# `azureml://datastores/examples/paths/many_models/sales.csv`
examples = Datastore(url=str(EXAMPLES))

# `azureml:iris:1` and `azureml:iris@latest`
iris = DataAsset(
    name="iris",
    version="1",
    type="mltable",
    path="azureml://datastores/examples/paths/iris_batch_prediction/neural-iris-mltable",
)
