"""The block `Data Asset`."""

from __future__ import annotations

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field

from prefect_parallel import data
from prefect_parallel.blocks.names import block_name


class DataAsset(Block):
    """A version of a named piece of data: what `azureml:<name>:<version>` stands for.

    The block's own name does not matter; it is found by its fields.

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
        "A version of a named piece of data, which azureml:<name>:<version> stands for."
    )
    _code_example: ClassVar[str | None] = (
        "```python\nfrom prefect_parallel.blocks import DataAsset\n\n"
        'DataAsset(name="iris", version="1", type="mltable", path="s3://bucket/iris")'
        '.save("iris-1")\n```'
    )

    name: str = Field(description="The asset's.", pattern=r"^[^:@/]+$")
    version: str = Field(
        default="1",
        description="`@latest` is the highest number, or else the one that was made last.",
        pattern=r"^[^:@/]+$",
        coerce_numbers_to_str=True,
    )
    type: str = Field(
        description="Its type in the pipeline.", examples=["uri_file", "uri_folder", "mltable"]
    )
    path: str = Field(
        description="URL, `azureml://datastores/<name>/paths/<path>`, or an absolute local path."
    )

    @property
    def document_name(self) -> str:
        """A name for the block."""
        return block_name(f"{self.name}-{self.version}")

    def to_asset(self) -> data.Asset:
        return data.Asset(self.type, self.path)
