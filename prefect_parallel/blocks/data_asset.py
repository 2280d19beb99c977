"""The block `Data Asset`."""

from __future__ import annotations

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field

from prefect_parallel import data
from prefect_parallel.blocks.names import block_name


class DataAsset(Block):
    """A version of a named piece of data, referred to as `azureml:<name>:<version>`.

    It is found by its fields; the block's own name does not matter.

    Example:
        ```python
        from prefect_parallel.blocks import DataAsset

        iris = DataAsset(
            name="iris", version="1", type="mltable", path="azureml://datastores/sales/paths/iris"
        )
        iris.save(iris.document_name)
        ```
    """

    _block_type_name: ClassVar[str | None] = "Data Asset"
    _block_type_slug: ClassVar[str | None] = "data-asset"
    _description: ClassVar[str | None] = (
        "A version of a named piece of data, referred to as azureml:<name>:<version>."
    )
    _code_example: ClassVar[str | None] = (
        "```python\nfrom prefect_parallel.blocks import DataAsset\n\n"
        'DataAsset(name="iris", version="1", type="mltable", path="s3://bucket/iris")'
        '.save("iris-1")\n```'
    )

    name: str = Field(description="Name of the asset.", pattern=r"^[^:@/]+$")
    version: str = Field(
        default="1",
        description="Version. `@latest` is the highest number, else the one created last.",
        pattern=r"^[^:@/]+$",
        coerce_numbers_to_str=True,
    )
    type: str = Field(
        description="Type of the data, as in a pipeline.",
        examples=["uri_file", "uri_folder", "mltable"],
    )
    path: str = Field(
        description="URL, `azureml://datastores/<name>/paths/<path>` or absolute local path."
    )

    @property
    def document_name(self) -> str:
        """A name to save the block under."""
        return block_name(f"{self.name}-{self.version}")

    def to_asset(self) -> data.Asset:
        return data.Asset(self.type, self.path)
