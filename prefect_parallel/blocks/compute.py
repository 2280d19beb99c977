"""The block `Compute`."""

from __future__ import annotations

from typing import Any, ClassVar

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, SecretStr, model_validator
from typing_extensions import Self


class Compute(Block):
    """Where steps with `compute: azureml:<name of the block>` run.

    They run on this machine unless `address` or `cluster_class` is given. A node is a Dask worker.

    Example:
        ```python
        from prefect_parallel.blocks import Compute

        Compute(address="tcp://10.0.0.1:8786", max_instances=8).save("cpu-cluster")
        Compute(
            cluster_class="dask_kubernetes.operator.KubeCluster",
            cluster_kwargs={"name": "scoring", "image": "registry/scoring:1"},
        ).save("gpu-cluster")
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name: ClassVar[str | None] = "Compute"
    _block_type_slug: ClassVar[str | None] = "compute"
    _description: ClassVar[str | None] = (
        "Where parallel steps run: this machine, an existing Dask cluster, or one that is started"
        " for each step."
    )
    _code_example: ClassVar[str | None] = (
        "```python\nfrom prefect_parallel.blocks import Compute\n\n"
        'Compute(address="tcp://10.0.0.1:8786").save("cpu-cluster")\n```'
    )

    address: str | None = Field(
        default=None,
        description="Address of the scheduler of an existing Dask cluster.",
        examples=["tcp://10.0.0.1:8786", "tls://dask.example.com:8786"],
    )
    tls_ca: str | None = Field(
        default=None,
        description="Certificate of the authority that signed the scheduler's: PEM file or text.",
    )
    tls_cert: str | None = Field(
        default=None, description="Certificate of the client: path of a PEM file, or its text."
    )
    tls_key: SecretStr | None = Field(
        default=None, description="Private key of the client: path of a PEM file, or its text."
    )
    cluster_class: str | None = Field(
        default=None,
        description="Dotted name of a class that starts a Dask cluster for each step.",
        examples=["dask_kubernetes.operator.KubeCluster", "dask_jobqueue.SLURMCluster"],
    )
    cluster_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Keyword arguments of that class."
    )
    adapt_kwargs: dict[str, Any] | None = Field(
        default=None,
        description="Keyword arguments of the cluster's `adapt`, e.g. minimum and maximum. By"
        " default the cluster has as many workers as the step has instances.",
    )
    max_instances: int | None = Field(
        default=None, ge=1, description="Maximum number of nodes of a step."
    )
    gpus_per_instance: int | None = Field(
        default=None,
        ge=0,
        description="Number of GPUs used on each node. By default all.",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.address is not None and self.cluster_class is not None:
            raise ValueError("give either address or cluster_class, not both")
        if self.cluster_class is None and (self.cluster_kwargs or self.adapt_kwargs is not None):
            raise ValueError("cluster_kwargs and adapt_kwargs need a cluster_class")
        if self.address is None and (self.tls_ca or self.tls_cert or self.tls_key):
            raise ValueError("tls_ca, tls_cert and tls_key need an address")
        return self

    @property
    def is_this_machine(self) -> bool:
        return self.address is None and self.cluster_class is None

    def instances(self, wanted: int) -> int:
        """Number of nodes that a step gets."""
        return min(wanted, self.max_instances or wanted)
