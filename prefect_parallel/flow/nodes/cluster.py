"""Where the nodes of a step come from: this machine, or the Dask cluster of a Compute block."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any, TypeAlias

from distributed import Client, Security

from prefect_parallel.blocks import Compute
from prefect_parallel.errors import InvalidCall, PrefectParallelError
from prefect_parallel.flow.nodes.dedicated_cluster import DedicatedCluster
from prefect_parallel.flow.nodes.local_nodes import LocalNodes
from prefect_parallel.flow.nodes.node_group import CONNECTED, NodeGroup
from prefect_parallel.flow.nodes.node_lease import NodeRequest
from prefect_parallel.flow.nodes.shared_cluster import SharedCluster

GivenCompute: TypeAlias = str | Compute | Client
"""A compute in Python: the name of a block, a compute, or the client of a Dask cluster."""


class InvalidCompute(InvalidCall):
    """Something else was given for a compute."""


class NoCluster(PrefectParallelError):
    """The Dask cluster of a compute cannot be reached, or started."""


@dataclass(frozen=True)
class ThisMachine:
    """Starts nodes on this machine."""

    nodes: int
    slots: int

    def __call__(self, stack: ExitStack) -> NodeGroup:
        with _no_cluster("on this machine"):
            cluster = stack.enter_context(LocalNodes(self.nodes, self.slots))
            return DedicatedCluster(_connect(stack, cluster), cluster.check, cluster.leave_out)


@dataclass(frozen=True)
class ExistingCluster:
    """Connects to a cluster that runs already."""

    address: str
    security: Security | None
    request: NodeRequest

    def __call__(self, stack: ExitStack) -> NodeGroup:
        with _no_cluster(self.address):
            client = _connect(stack, self.address, security=self.security)
            return SharedCluster(client, self.request)


@dataclass(frozen=True)
class NewCluster:
    """Starts a cluster of some class for the step."""

    name: str
    cluster_class: Callable[..., Any]
    arguments: Mapping[str, Any]
    adapt_arguments: Mapping[str, Any] | None
    request: NodeRequest

    def __call__(self, stack: ExitStack) -> NodeGroup:
        with _no_cluster(f"a {self.name}"):
            cluster = stack.enter_context(self.cluster_class(**self.arguments))
            if self.adapt_arguments is not None:
                cluster.adapt(**self.adapt_arguments)
            return SharedCluster(_connect(stack, cluster), self.request)


def cluster_of(compute: Compute, request: NodeRequest) -> ExistingCluster | NewCluster:
    """The Dask cluster of a compute.

    Raises:
        NoCluster: Its cluster class cannot be imported.
    """
    if compute.address is not None:
        return ExistingCluster(compute.address, _security(compute), request)
    assert compute.cluster_class is not None
    try:
        with _own_signal_handlers():
            cluster_class = resolve_name(compute.cluster_class)
    except (ImportError, AttributeError, ValueError) as error:
        raise NoCluster(
            f"there is no cluster class {compute.cluster_class}: {error}",
            hint="install the package that has it: pip install 'prefect-parallel[kubernetes]' for"
            " dask_kubernetes, 'prefect-parallel[slurm]' for dask_jobqueue",
        ) from error
    arguments = {"n_workers": request.nodes, **compute.cluster_kwargs}
    adapt_arguments = _limits(compute.adapt_kwargs, request.nodes)
    return NewCluster(compute.cluster_class, cluster_class, arguments, adapt_arguments, request)


def compute_of(given: Compute | Client) -> Compute:
    """A compute, or the one whose nodes are workers of a client's cluster.

    Raises:
        InvalidCompute: It is neither.
        NoCluster: The client is closed, or its workers are threads of this process.
    """
    if isinstance(given, Compute):
        return given
    if not isinstance(given, Client):
        allowed = "the name of a Compute block, a Compute, or a dask.distributed.Client"
        raise InvalidCompute(
            f"compute: found a value of type {type(given).__name__}", allowed=allowed
        )
    return _compute_of_client(given)


def _compute_of_client(client: Client) -> Compute:
    if client.scheduler is None or client.status != CONNECTED:
        raise NoCluster("the Dask client is closed", hint="use one that is connected")
    address = str(client.scheduler.address)
    if address.startswith("inproc:"):
        raise NoCluster(
            f"the workers of {address} are threads of this process, and cannot be nodes",
            hint="create the client with processes=True",
        )
    if not address.startswith("tls:"):
        return Compute(address=address)
    security = client.security
    return Compute(
        address=address,
        tls_ca=security.tls_ca_file,
        tls_cert=security.tls_client_cert,
        tls_key=security.tls_client_key,
    )


def _connect(stack: ExitStack, cluster: Any, **arguments: Any) -> Client:
    # Not as the default: scripts and notebooks may have clients of their own.
    client = Client(cluster, set_as_default=False, **arguments)
    stack.callback(client.close)
    return client


@contextmanager
def _own_signal_handlers() -> Iterator[None]:
    """Keep the handlers of signals while a module is imported.

    dask_jobqueue 0.9 sets one for SIGINT, which would end a canceled run with exit status 0.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler)


@contextmanager
def _no_cluster(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # Each cluster class and network protocol has errors of its own.
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
    """At most as many workers as the step has instances, and one at the start, to get the work."""
    if adapt_kwargs is None:
        return None
    return {
        **adapt_kwargs,
        "minimum": max(adapt_kwargs.get("minimum", 1), 1),
        "maximum": min(adapt_kwargs.get("maximum", nodes), nodes),
    }
