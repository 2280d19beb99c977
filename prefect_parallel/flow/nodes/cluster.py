"""From a Compute block to the task runner of a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distributed import Security

from prefect_parallel.blocks import Compute
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.nodes.node_group import NodeGroup
from prefect_parallel.flow.nodes.node_lease import NodeRequest
from prefect_parallel.flow.nodes.task_runner import NodeTaskRunner


class NoCluster(PrefectParallelError):
    """The Dask cluster of a compute cannot be reached, or started."""


def task_runner_on(compute: Compute, request: NodeRequest) -> NodeTaskRunner:
    """The task runner of a step on a Dask cluster.

    Raises:
        NoCluster: There is no such cluster class.
    """
    if compute.address is not None:
        return NodeTaskRunner(
            address=compute.address, client_kwargs={"security": _security(compute)}, request=request
        )
    try:
        return NodeTaskRunner(
            cluster_class=compute.cluster_class,
            cluster_kwargs={"n_workers": request.nodes, **compute.cluster_kwargs},
            adapt_kwargs=_limits(compute.adapt_kwargs, request.nodes),
            request=request,
        )
    except (ImportError, AttributeError, ValueError) as error:
        raise NoCluster(
            f"there is no cluster class {compute.cluster_class}: {error}",
            hint="install the package that has it; dask_kubernetes comes with"
            " pip install 'prefect-parallel[kubernetes]'",
        ) from error


def open_node_group(runner: NodeTaskRunner) -> NodeGroup:
    """The nodes of a task runner, once its cluster is started, or reached.

    Raises:
        NoCluster: That fails.
    """
    try:
        return runner.node_group
    except Exception as error:  # Each cluster class has errors of its own.
        what = runner.address or f"a {runner.cluster_class}"
        raise NoCluster(f"no Dask cluster: {what}: {type(error).__name__}: {error}") from error


def _security(compute: Compute) -> Security | None:
    key = compute.tls_key.get_secret_value() if compute.tls_key else None
    given = {
        "tls_ca_file": compute.tls_ca,
        "tls_client_cert": compute.tls_cert,
        "tls_client_key": key,
    }
    if not any(given.values()):
        return None
    return Security(require_encryption=True, **{name: each for name, each in given.items() if each})


def _limits(adapt_kwargs: Mapping[str, Any] | None, nodes: int) -> dict[str, Any] | None:
    """The step's instances are the most; there is one from the start, for the work to come to."""
    if adapt_kwargs is None:
        return None
    return {
        **adapt_kwargs,
        "minimum": max(adapt_kwargs.get("minimum", 1), 1),
        "maximum": min(adapt_kwargs.get("maximum", nodes), nodes),
    }
