"""Definitions of `azureml:` names: datastores, and assets with their versions.

```yaml
datastores:
  sales:
    url: abfs://sales
    storage_options: {account_name: contoso, account_key: ...}
assets:
  iris:
    1: {type: mltable, path: "azureml://datastores/sales/paths/iris"}
```
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect_parallel.errors import InvalidFile, InvalidInput, did_you_mean
from prefect_parallel.yaml_file import read_document
from prefect_parallel.yaml_schema import (
    TEXT,
    Described,
    Diagnostics,
    Fields,
    MappingOf,
    PlainMapping,
)

LATEST = "latest"

_DATASTORE = re.compile(r"azureml://(?:.*/)?datastores/([^/]+)/paths(?:/(.*))?", re.DOTALL)
_ASSET = re.compile(r"azureml:([^:@/]+)(?::([^:@/]+)|@([^:@/]+))")

STORE_KEYS = Fields(
    {
        "url": Described("URL of its root, for any fsspec driver; or a local folder.", TEXT),
        "storage_options": Described(
            "Options of that driver, credentials included.", PlainMapping()
        ),
    },
    frozenset(["url"]),
)
ASSET_KEYS = Fields(
    {
        "type": Described("Its type in the pipeline, such as `mltable`.", TEXT),
        "path": Described(
            "A local path, a URL, or `azureml://datastores/<name>/paths/<path>`.", TEXT
        ),
    },
    frozenset(["type", "path"]),
)
FILE_KEYS = Fields(
    {
        "datastores": Described(
            "Datastores by name: `azureml://datastores/<name>/` in URLs.", MappingOf(STORE_KEYS)
        ),
        "assets": Described(
            "Assets by name, then by version: `azureml:<name>:<version>`.",
            MappingOf(MappingOf(ASSET_KEYS)),
        ),
    }
)


class InvalidDatastores(InvalidFile):
    """A file of datastores and assets has errors."""


@dataclass(frozen=True)
class Datastore:
    """A storage location.

    Attributes:
        url: URL of its root; or a local folder.
        storage_options: Options of the fsspec driver, credentials included: never shown.
    """

    url: str
    storage_options: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Asset:
    """One version of a data asset.

    Attributes:
        type: `uri_file`, `uri_folder`, `mltable`, or a type of model.
        path: Local path, URL, or `azureml://datastores/...`.
    """

    type: str
    path: str


@dataclass(frozen=True)
class Datastores:
    """All known datastores and assets.

    Attributes:
        stores: Datastores by name.
        assets: Assets by name, then by version; versions in the order of their creation.
        file: Path of the file that they were read from, if any.
    """

    stores: Mapping[str, Datastore] = field(default_factory=dict)
    assets: Mapping[str, Mapping[str, Asset]] = field(default_factory=dict)
    file: str | None = None

    @classmethod
    def load(cls, path: str | Path) -> Datastores:
        """Reads a YAML file.

        Raises:
            InvalidDatastores: The file cannot be read, or has errors.
        """
        document = read_document(Path(path), InvalidDatastores, number_keys=True)
        diagnostics = Diagnostics(document)
        found = FILE_KEYS.read(document.data, (), diagnostics)
        if diagnostics.problems:
            raise InvalidDatastores(diagnostics.problems)
        folder = document.folder
        stores = {
            name: Datastore(_from(folder, store["url"]), store.get("storage_options", {}))
            for name, store in found.get("datastores", {}).items()
        }
        assets = {
            name: {
                version: Asset(asset["type"], _from(folder, asset["path"]))
                for version, asset in versions.items()
            }
            for name, versions in found.get("assets", {}).items()
        }
        return cls(stores, assets, str(Path(path).absolute()))

    def to_json(self) -> dict[str, Any]:
        """JSON of the datastores, with their credentials, for another process."""
        return {
            name: {"url": store.url, "storage_options": dict(store.storage_options)}
            for name, store in self.stores.items()
        }

    def only(self, names: Iterable[str]) -> Datastores:
        """Some of the datastores, without assets.

        Raises:
            InvalidInput: A name is unknown.
        """
        return Datastores({name: self._store(name) for name in names})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Datastores:
        """The inverse of `to_json`; without assets, which are resolved in planning."""
        return cls({name: Datastore(**store) for name, store in value.items()})

    def asset(self, text: str) -> Asset | None:
        """Looks up `azureml:<name>:<version>` or `...@latest`; None if the text is neither.

        Raises:
            InvalidInput: The asset or its version is unknown.
        """
        match = _ASSET.fullmatch(text)
        if match is None:
            return None
        name, version, label = match.groups()
        versions = self.assets.get(name)
        if versions is None:
            raise _unknown(text, f"asset {name!r}", name, self.assets, "assets")
        if label == LATEST and versions:
            return versions[_latest(versions)]
        wanted = version or f"@{label}"
        if wanted not in versions:
            raise _unknown(text, f"version {wanted!r} of {name}", wanted, versions, "versions")
        return versions[wanted]

    def resolve(self, url: str) -> tuple[str, Mapping[str, Any]]:
        """The URL and options of `azureml://datastores/<name>/paths/<path>`; other URLs unchanged.

        Raises:
            InvalidInput: The datastore is unknown, or the URL has another form.
        """
        if not url.startswith("azureml:"):
            return url, {}
        match = _DATASTORE.fullmatch(url)
        if match is None:
            raise InvalidInput(
                f"{url}: invalid azureml: URL",
                allowed="azureml://datastores/<name>/paths/<path>, azureml:<asset>:<version>,"
                " azureml:<asset>@latest",
            )
        name, path = match.groups()
        store = self._store(name, url)
        return f"{store.url.rstrip('/')}/{path or ''}", store.storage_options

    def _store(self, name: str, url: str | None = None) -> Datastore:
        store = self.stores.get(name)
        if store is None:
            text = url or f"azureml://datastores/{name}"
            raise _unknown(text, f"datastore {name!r}", name, self.stores, "stores")
        return store


NO_DATASTORES = Datastores()


def is_datastore_path(url: str) -> bool:
    """Whether a URL is `azureml://datastores/<name>/paths/<path>`, or its long form."""
    return _DATASTORE.fullmatch(url) is not None


def without_workspace(url: str) -> str:
    """Shortens a datastore URL that names its workspace."""
    match = _DATASTORE.fullmatch(url)
    return f"azureml://datastores/{match[1]}/paths/{match[2] or ''}" if match else url


def _from(folder: Path, path: str) -> str:
    """Resolves a relative local path against the folder of the file."""
    return path if "://" in path or path.startswith("azureml:") else os.path.join(folder, path)  # noqa: PTH118


def _latest(versions: Collection[str]) -> str:
    """The highest version number; the last version if not all are numbers."""
    if all(version.isdecimal() for version in versions):
        return max(versions, key=int)
    return list(versions)[-1]


def _unknown(text: str, what: str, name: str, known: Collection[str], kind: str) -> InvalidInput:
    where_from = None if known else "--datastores FILE defines azureml: names"
    return InvalidInput(
        f"{text}: unknown {what}",
        allowed=", ".join(known) or f"none: no {kind} are defined",
        hint=did_you_mean(name, known) or where_from,
    )
