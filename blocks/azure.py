"""Blocks for data in Azure and nodes in Kubernetes: a starting point.

Needs `pip install 'prefect-parallel[azure,kubernetes]'`.
The account comes from the environment: AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY.
"""

import os

from prefect_parallel.blocks import Compute, DataAsset, Datastore

ACCOUNT = {
    "account_name": os.environ["AZURE_STORAGE_ACCOUNT_NAME"],
    "account_key": os.environ["AZURE_STORAGE_ACCOUNT_KEY"],
}

# Default datastore of a workspace.
workspaceblobstore = Datastore(url="abfs://azureml", storage_options=ACCOUNT)

# For runs, with `--output-dir azureml://datastores/runs/paths/nightly`.
runs = Datastore(url="abfs://runs", storage_options=ACCOUNT)

iris = DataAsset(
    name="iris",
    version="1",
    type="mltable",
    path="azureml://datastores/workspaceblobstore/paths/iris",
)

# A Dask cluster for each step, with a pod for each instance.
cpu_cluster = Compute(
    cluster_class="dask_kubernetes.operator.KubeCluster",
    cluster_kwargs={
        "name": "prefect-parallel",
        "image": "registry.example.com/prefect-parallel:latest",
        "resources": {"requests": {"cpu": "4", "memory": "8Gi"}, "limits": {"memory": "8Gi"}},
    },
    max_instances=8,
)
