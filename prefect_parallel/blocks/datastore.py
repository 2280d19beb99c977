"""The block `Datastore`."""

from __future__ import annotations

from typing import ClassVar

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import ConfigDict, Field

from prefect_parallel import data


class Datastore(Block):
    """A place that holds data: what `azureml://datastores/<name>/paths/...` starts from.

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
        "A place that holds data, which azureml://datastores/<name>/paths/... starts from."
    )
    _code_example: ClassVar[str | None] = (
        "```python\nfrom prefect_parallel.blocks import Datastore\n\n"
        'Datastore(url="abfs://sales", storage_options={"account_name": "contoso"})'
        '.save("sales")\n```'
    )

    url: str = Field(
        description="Of the place's root, for any driver of fsspec; or an absolute local folder.",
        examples=["abfs://sales", "s3://bucket/folder", "/mnt/data"],
    )
    storage_options: SecretDict = Field(
        default_factory=lambda: SecretDict({}),
        description="What that driver needs, keys to the place included.",
    )

    def to_datastore(self) -> data.Datastore:
        return data.Datastore(self.url, self.storage_options.get_secret_value())
