"""Blocks as code: a Python file that assigns blocks to variables."""

from __future__ import annotations

import runpy
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from prefect.blocks.core import Block

from prefect_parallel.blocks.compute import Compute
from prefect_parallel.blocks.data_asset import DataAsset
from prefect_parallel.blocks.datastore import Datastore
from prefect_parallel.blocks.lookup import block_documents, find_block_document
from prefect_parallel.blocks.names import block_name
from prefect_parallel.errors import PrefectParallelError

BLOCK_TYPES: tuple[type[Block], ...] = (Compute, Datastore, DataAsset)


class InvalidBlockFile(PrefectParallelError):
    """A file of blocks raises an exception, or defines no block."""


@dataclass(frozen=True)
class SavedBlock:
    """A block on the server.

    Attributes:
        type: Name of the block type, e.g. `Compute`.
        name: Name of the block.
        what: `created` or `updated`, or what it refers to.
    """

    type: str
    name: str
    what: str


def load_block_file(file: Path) -> Mapping[str, Block]:
    """Execute a Python file and return its blocks by name.

    A block is named after its variable, e.g. `cpu-cluster` after `cpu_cluster`; a data asset after
    its name and version.

    Raises:
        InvalidBlockFile: The file raises an exception, or defines no block.
    """
    try:
        variables = runpy.run_path(str(file))
    except Exception as error:  # The file may raise anything.
        raise InvalidBlockFile(f"{_line_of(error, file)}: {error}") from error
    found = {
        value.document_name if isinstance(value, DataAsset) else block_name(variable): value
        for variable, value in variables.items()
        if isinstance(value, Block) and not variable.startswith("_")
    }
    if not found:
        raise InvalidBlockFile(
            f"{file} defines no block",
            hint="assign one to a variable, e.g."
            ' cpu_cluster = Compute(address="tcp://10.0.0.1:8786")',
        )
    return found


def save_blocks(blocks: Mapping[str, Block]) -> Iterator[SavedBlock]:
    """Save blocks, replacing those of the same type and name."""
    for name, block in blocks.items():
        how = "created" if find_block_document(type(block), name) is None else "updated"
        block.save(name, overwrite=True)
        yield SavedBlock(block.get_block_type_name(), name, how)


def saved_blocks() -> Iterator[SavedBlock]:
    """The blocks of this package's types on the server, without secrets."""
    for kind in BLOCK_TYPES:
        for document in block_documents(kind):
            what = _describe(kind, document.data)
            yield SavedBlock(kind.get_block_type_name(), document.name or "", what)


def _describe(kind: type[Block], fields: Mapping[str, object]) -> str:
    if kind is Compute:
        return str(fields.get("address") or fields.get("cluster_class") or "this machine")
    if kind is Datastore:
        return str(fields["url"])
    return f"azureml:{fields['name']}:{fields['version']} is {fields['path']}"


def _line_of(error: Exception, file: Path) -> str:
    """`file:line` of the last line of the file in the traceback."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(file)
    ]
    if isinstance(error, SyntaxError):
        lines.append(error.lineno)
    return f"{file}:{lines[-1]}" if lines else str(file)
