"""`azureml:` names of data: from a file, else from Prefect blocks.

A block is looked up when a name is needed that the file does not have; only then is Prefect
imported. What was found is passed on like any other datastore: entry processes need no Prefect.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from prefect_parallel.data import Asset, Datastore, Datastores
from prefect_parallel.errors import InvalidInput, did_you_mean


def with_blocks(explicit: Datastores) -> Datastores:
    """The datastores that a file names, and beyond those, what blocks name."""
    if isinstance(explicit.stores, _Stores):
        return explicit
    return dataclasses.replace(
        explicit, stores=_Stores(explicit.stores), assets=_Assets(explicit.assets)
    )


class _Stores(Mapping[str, Datastore]):
    """Datastores by name; iteration gives those that were looked up so far."""

    def __init__(self, explicit: Mapping[str, Datastore]) -> None:
        self._known = dict(explicit)

    def __getitem__(self, name: str) -> Datastore:
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> Datastore:
        from prefect_parallel.blocks.datastore import Datastore as DatastoreBlock
        from prefect_parallel.blocks.lookup import find_datastore, saved_block_names

        with _server():
            block = find_datastore(name)
            if block is None:
                known = [*self._known, *saved_block_names(DatastoreBlock)]
                raise _unknown("datastore", name, known, "Datastore")
        return block.to_datastore()

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._known))

    def __len__(self) -> int:
        return len(self._known)


class _Assets(Mapping[str, Mapping[str, Asset]]):
    """Versions of assets by name; all blocks are read when the first is needed."""

    def __init__(self, explicit: Mapping[str, Mapping[str, Asset]]) -> None:
        self._explicit = explicit
        self._found: dict[str, dict[str, Asset]] | None = None

    def __getitem__(self, name: str) -> Mapping[str, Asset]:
        if name in self._explicit:
            return self._explicit[name]
        if self._found is None:
            self._found = _find_assets()
        if name not in self._found:
            raise _unknown("asset", name, [*self._explicit, *self._found], "DataAsset")
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*self._explicit, *(self._found or ())])

    def __len__(self) -> int:
        return len(list(iter(self)))


def _find_assets() -> dict[str, dict[str, Asset]]:
    from prefect_parallel.blocks.lookup import find_data_assets

    found: defaultdict[str, dict[str, Asset]] = defaultdict(dict)
    with _server():
        for block in find_data_assets():
            found[block.name][block.version] = block.to_asset()
    return dict(found)


@contextmanager
def _server() -> Iterator[None]:
    """The configured server, else one for the look-up, with the blocks of this Prefect home."""
    from prefect_parallel.flow.server.server import prefect_server

    with prefect_server():
        yield


def _unknown(what: str, name: str, known: Collection[str], block: str) -> InvalidInput:
    hint = did_you_mean(name, known) or (
        f"save a {block} block for it (prefect-parallel blocks apply FILE), or define it with"
        " --registry FILE"
    )
    allowed = ", ".join(known) or f"no {what} is known"
    return InvalidInput(f"unknown {what} {name!r}", allowed=allowed, hint=hint)
