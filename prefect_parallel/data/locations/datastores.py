"""Definitions of `azureml:` names: datastores, and what is registered, with its versions.

```yaml
datastores:
  sales:
    url: abfs://sales
    storage_options: {account_name: contoso, account_key: ...}
data:
  iris:
    1: {type: mltable, path: "azureml://datastores/sales/paths/iris"}
components:
  train: {3: ./train.yml}
```
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect_parallel.data.locations.registered import KINDS, Registered
from prefect_parallel.errors import InvalidFile, InvalidInput, did_you_mean
from prefect_parallel.yaml_file import read_document
from prefect_parallel.yaml_schema import (
    TEXT,
    Described,
    Diagnostics,
    Either,
    Fields,
    MappingOf,
    PlainMapping,
)

_DATASTORE = re.compile(r"azureml://(?:.*/)?datastores/([^/]+)/paths(?:/(.*))?", re.DOTALL)

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
        "type": Described("Its type in the pipeline, such as `mltable`; by default, any.", TEXT),
        "path": Described(
            "A local path, a URL, or `azureml://datastores/<name>/paths/<path>`.", TEXT
        ),
    },
    frozenset(["path"]),
)
_ASSETS = MappingOf(MappingOf(Either(ASSET_KEYS, TEXT)))
_PATHS = MappingOf(MappingOf(TEXT))
ASSET_KINDS = ("data", "models", "assets")
FILE_KEYS = Fields(
    {
        "datastores": Described(
            "Datastores by name: `azureml://datastores/<name>/` in URLs.", MappingOf(STORE_KEYS)
        ),
        "data": Described(
            "Data by name, then by version: `azureml:<name>:<version>`. A version is a mapping, or"
            " only the path.",
            _ASSETS,
        ),
        "models": Described("Models, likewise.", _ASSETS),
        "assets": Described("Data and models, likewise.", _ASSETS),
        "components": Described("YAML files of components, by name and version.", _PATHS),
        "environments": Described("YAML files of environments, by name and version.", _PATHS),
        "code": Described("Folders of code, by name and version.", _PATHS),
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
        type: `uri_file`, `uri_folder`, `mltable`, or a type of model; None: any.
        path: Local path, URL, or `azureml://datastores/...`.
    """

    type: str | None
    path: str


@dataclass(frozen=True)
class Datastores:
    """All known datastores and assets.

    Attributes:
        stores: Datastores by name.
        assets: Data and models by name, then by version, in the order of their creation.
        registered: Paths of components, environments and code by kind, name and version.
        file: Path of the file that they were read from, if any.
    """

    stores: Mapping[str, Datastore] = field(default_factory=dict)
    assets: Mapping[str, Mapping[str, Asset]] = field(default_factory=dict)
    registered: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
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
        if not diagnostics.problems:
            _refuse_ambiguous(found, diagnostics)
        if diagnostics.problems:
            raise InvalidDatastores(diagnostics.problems)
        folder = document.folder
        stores = {
            name: Datastore(_from(folder, store["url"]), store.get("storage_options", {}))
            for name, store in found.get("datastores", {}).items()
        }
        assets = {
            name: {version: _asset(folder, written) for version, written in versions.items()}
            for kind in ASSET_KINDS
            for name, versions in found.get(kind, {}).items()
        }
        registered = {
            kind: {
                name: {version: _from(folder, path) for version, path in versions.items()}
                for name, versions in found.get(kind, {}).items()
            }
            for kind in KINDS.values()
        }
        return cls(stores, assets, registered, str(Path(path).absolute()))

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
        """Looks up `azureml:<name>:<version>`, `...@latest` or an id; None if the text is neither.

        Raises:
            InvalidInput: The asset or its version is unknown.
        """
        wanted = Registered.parse(text)
        if wanted is None:
            return None
        name = wanted.name
        versions = self.assets.get(name)
        if versions is None:
            raise _unknown(text, f"asset {name!r}", name, self.assets, "assets")
        version = wanted.version_in(versions)
        if version is None:
            which = wanted.version or f"@{wanted.label}"
            raise _unknown(text, f"version {which!r} of {name}", which, versions, "versions")
        return versions[version]

    def path_of(self, kind: str, wanted: Registered) -> str | None:
        """The path of a component, an environment or code; None if it is unknown."""
        versions = self.registered.get(kind, {}).get(wanted.name, {})
        version = wanted.version_in(versions)
        return None if version is None else versions[version]

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


def _asset(folder: Path, written: str | Mapping[str, str]) -> Asset:
    if isinstance(written, str):
        return Asset(None, _from(folder, written))
    return Asset(written.get("type"), _from(folder, written["path"]))


def _refuse_ambiguous(found: Mapping[str, Any], diagnostics: Diagnostics) -> None:
    """Report names of both data and models: `azureml:<name>:<version>` does not tell which."""
    seen: dict[str, str] = {}
    for kind in ASSET_KINDS:
        for name in found.get(kind, {}):
            if name in seen:
                message = f"{name} is defined in {seen[name]}, too"
                diagnostics.add((kind, name), message, hint="rename one of them")
            seen[name] = kind


def _unknown(text: str, what: str, name: str, known: Collection[str], kind: str) -> InvalidInput:
    where_from = None if known else "--registry FILE defines azureml: names"
    return InvalidInput(
        f"{text}: unknown {what}",
        allowed=", ".join(known) or f"none: no {kind} are defined",
        hint=did_you_mean(name, known) or where_from,
    )
