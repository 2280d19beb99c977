"""What `azureml:` names stand for: datastores, and assets with their versions.

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
from collections.abc import Collection, Mapping
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
        "url": Described("Of its root, for any driver of fsspec; or a local folder.", TEXT),
        "storage_options": Described(
            "What that driver needs, keys to the place included.", PlainMapping()
        ),
    },
    frozenset(["url"]),
)
ASSET_KEYS = Fields(
    {
        "type": Described("Its type in the pipeline, as `mltable`.", TEXT),
        "path": Described(
            "A local path, a URL, or `azureml://datastores/<name>/paths/<path>`.", TEXT
        ),
    },
    frozenset(["type", "path"]),
)
FILE_KEYS = Fields(
    {
        "datastores": Described(
            "What `azureml://datastores/<name>/` stands for.", MappingOf(STORE_KEYS)
        ),
        "assets": Described(
            "What `azureml:<name>:<version>` stands for: by name, and below that by version.",
            MappingOf(MappingOf(ASSET_KEYS)),
        ),
    }
)


class InvalidDatastores(InvalidFile):
    """A file of datastores and assets has mistakes."""


@dataclass(frozen=True)
class Datastore:
    """A place that holds data.

    Attributes:
        url: Of its root; or a local folder.
        storage_options: What fsspec's driver needs, keys to the place included: never shown.
    """

    url: str
    storage_options: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Asset:
    """A version of a named piece of data.

    Attributes:
        type: `uri_file`, `uri_folder`, `mltable`, or a kind of model.
        path: Local path, URL, or `azureml://datastores/...`.
    """

    type: str
    path: str


@dataclass(frozen=True)
class Datastores:
    """All that are known.

    Attributes:
        stores: Name to datastore.
        assets: Name, then version, to asset; the versions in the order of their making.
        file: Where they were read from, for who has to name it again.
    """

    stores: Mapping[str, Datastore] = field(default_factory=dict)
    assets: Mapping[str, Mapping[str, Asset]] = field(default_factory=dict)
    file: str | None = None

    @classmethod
    def load(cls, path: str | Path) -> Datastores:
        """Reads a YAML file.

        Raises:
            InvalidDatastores: It cannot be read, or has mistakes.
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
        """What a process needs to open any location; it holds the keys to them."""
        return {
            name: {"url": store.url, "storage_options": dict(store.storage_options)}
            for name, store in self.stores.items()
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Datastores:
        """The inverse of `to_json`; assets were resolved when mini-batches were planned."""
        return cls({name: Datastore(**store) for name, store in value.items()})

    def asset(self, text: str) -> Asset | None:
        """The asset that `azureml:<name>:<version>` or `azureml:<name>@latest` means.

        Returns:
            None if the text is of another form.

        Raises:
            InvalidInput: There is no such asset, or version.
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
        """Where `azureml://datastores/<name>/paths/<path>` lies; other URLs as they are.

        Returns:
            The URL, and the storage options for it.

        Raises:
            InvalidInput: There is no such datastore.
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
        store = self.stores.get(name)
        if store is None:
            raise _unknown(url, f"datastore {name!r}", name, self.stores, "stores")
        return f"{store.url.rstrip('/')}/{path or ''}", store.storage_options


NO_DATASTORES = Datastores()


def without_workspace(url: str) -> str:
    """The long form of a datastore's URL, which names the workspace, as the short one."""
    match = _DATASTORE.fullmatch(url)
    return f"azureml://datastores/{match[1]}/paths/{match[2] or ''}" if match else url


def _from(folder: Path, path: str) -> str:
    """A relative local path starts from the file's folder."""
    return path if "://" in path or path.startswith("azureml:") else os.path.join(folder, path)  # noqa: PTH118


def _latest(versions: Collection[str]) -> str:
    """The highest number; where not all are numbers, the last one."""
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
