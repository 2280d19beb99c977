"""The block `Datastore`."""

from __future__ import annotations

from typing import ClassVar

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import ConfigDict, Field

from prefect_parallel import data


class Datastore(Block):
    """Storage that `azureml://datastores/<name>/paths/...` refers to.

    Example:
        ```python
        from prefect_parallel.blocks import Datastore

        Datastore(url="abfs://sales", storage_options={"account_name": "contoso"}).save("sales")
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name: ClassVar[str | None] = "Datastore"
    _block_type_slug: ClassVar[str | None] = "datastore"
    _description: ClassVar[str | None] = (
        "Storage that azureml://datastores/<name>/paths/... refers to."
    )
    _code_example: ClassVar[str | None] = (
        "```python\nfrom prefect_parallel.blocks import Datastore\n\n"
        'Datastore(url="abfs://sales", storage_options={"account_name": "contoso"})'
        '.save("sales")\n```'
    )

    url: str = Field(
        description="URL of the root, for any fsspec filesystem, or an absolute local folder.",
        examples=["abfs://sales", "s3://bucket/folder", "/mnt/data"],
    )
    storage_options: SecretDict = Field(
        default_factory=lambda: SecretDict({}),
        description="Arguments of the fsspec filesystem, including credentials.",
    )

    def to_datastore(self) -> data.Datastore:
        return data.Datastore(self.url, self.storage_options.get_secret_value())
