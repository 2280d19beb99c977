"""The page about datastores files."""

from __future__ import annotations

from prefect_parallel.data.locations.datastores import ASSET_KEYS, FILE_KEYS, STORE_KEYS
from tools.reference.markdown import document, fenced
from tools.reference.yaml_schemas import options_table

_INTRO = """\
The file that `--datastores` names defines `azureml:` names of data. Names that it does not define
are looked up in [blocks](blocks.md). Local paths are relative to the file. For an introduction, see
[Remote data](../remote_data.md)."""

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
