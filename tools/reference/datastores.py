"""The page about datastores files."""

from __future__ import annotations

from prefect_parallel.data.locations.datastores import ASSET_KEYS, FILE_KEYS, STORE_KEYS
from tools.reference.markdown import document, fenced
from tools.reference.yaml_schemas import options_table

_INTRO = """\
The file that `--registry` (or `--datastores`) names says where the things are that a pipeline names
by `azureml:`: datastores, data, models, components, environments and code. Names of data that it
does not define are looked up in [blocks](blocks.md). Local paths are relative to the file. For an
introduction, see [Remote data](../remote_data.md).

`azureml:NAME:VERSION`, `azureml:NAME@latest`, and ids such as
`azureml://registries/REGISTRY/components/NAME/versions/VERSION` or
`azureml:/subscriptions/.../codes/NAME/versions/VERSION` are looked up by name and version;
`@latest` and `labels/latest` are the highest version, or the last one if not all are numbers."""

_EXAMPLE = """\
datastores:
  sales:
    url: abfs://sales
    storage_options: {account_name: contoso}
data:
  iris:
    1: {type: mltable, path: "azureml://datastores/sales/paths/iris"}
models:
  iris-net: {4: ./models/iris}
components:
  train: {3: ./components/train.yml}
environments:
  sklearn-1.5: {1: ./environments/sklearn.yml}
code:
  2f6d01a4-7e3c: {1: ./src}
"""


def page() -> str:
    return document(
        "Datastores file",
        _INTRO,
        fenced("yaml", _EXAMPLE),
        options_table(FILE_KEYS),
        "## Datastore",
        options_table(STORE_KEYS),
        "## Data and models",
        options_table(ASSET_KEYS),
    )
