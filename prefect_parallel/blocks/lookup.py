"""Find blocks on the Prefect server.

All functions raise `ServerUnreachable` if the server does not answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from prefect_parallel.blocks.compute import Compute
from prefect_parallel.blocks.data_asset import DataAsset
from prefect_parallel.blocks.datastore import Datastore
from prefect_parallel.blocks.names import block_name
from prefect_parallel.blocks.unreachable_server import server_unreachable


def find_compute(name: str) -> Compute | None:
    """The compute that `azureml:<name>` refers to, if there is such a block."""
    document = find_block_document(Compute, block_name(name))
    return None if document is None else Compute.model_validate(document.data)


def find_datastore(name: str) -> Datastore | None:
    """The datastore that `azureml://datastores/<name>/` refers to, if there is such a block."""
    document = find_block_document(Datastore, block_name(name))
    return None if document is None else Datastore.model_validate(document.data)


def find_data_assets() -> list[DataAsset]:
    """All data assets, oldest first."""
    documents = [each for each in block_documents(DataAsset) if each.created is not None]
    documents.sort(key=lambda each: str(each.created))
    return [DataAsset.model_validate(each.data) for each in documents]


def saved_block_names(kind: type[Block]) -> list[str]:
    """Names of the blocks of a type."""
    return [document.name for document in block_documents(kind) if document.name]


def find_block_document(kind: type[Block], name: str) -> BlockDocument | None:
    """The block of a type and name, with its secrets; None if there is none."""
    with _client() as client:
        try:
            return client.read_block_document_by_name(name, kind.get_block_type_slug())
        except ObjectNotFound:
            return None


def block_documents(kind: type[Block]) -> list[BlockDocument]:
    """The blocks of a type, without secrets."""
    with _client() as client:
        try:
            return client.read_block_documents_by_type(
                kind.get_block_type_slug(), include_secrets=False
            )
        except PrefectHTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                # The block type is not registered: no such block was ever saved.
                return []
            raise


@contextmanager
def _client() -> Iterator[SyncPrefectClient]:
    try:
        with get_client(sync_client=True) as client:
            yield client
    except (httpx.HTTPError, PrefectHTTPStatusError) as error:
        raise server_unreachable(error) from error
