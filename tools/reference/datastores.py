"""The page of the keys of a datastores file."""

from __future__ import annotations

from prefect_parallel.data.locations.datastores import ASSET_KEYS, FILE_KEYS, STORE_KEYS
from tools.reference.markdown import document, fenced
from tools.reference.yaml_schemas import options_table

_INTRO = """\
The file of `--datastores` tells what `azureml:` names of data stand for; names that it does not
have are looked up in [blocks](blocks.md). [Remote data](../remote_data.md) tells the rest. Local
paths in it are relative to it."""

_EXAMPLE = """\
datastores:
  sales:
    url: abfs://sales
    storage_options: {account_name: contoso}
assets:
  iris:
    1: {type: mltable, path: "azureml://datastores/sales/paths/iris"}
"""


def page() -> str:
    return document(
        "Datastores file",
        _INTRO,
        fenced("yaml", _EXAMPLE),
        options_table(FILE_KEYS),
        "## Datastore",
        options_table(STORE_KEYS),
        "## Asset",
        options_table(ASSET_KEYS),
    )
