"""The names of things that are registered in a workspace or a registry of Azure ML."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import yaml

LATEST = "latest"

KINDS = {"components": "components", "environments": "environments", "codes": "code"}
"""Kinds other than data, as in ids -> as in the file that defines them."""

_SHORT = re.compile(r"azureml:([^:@/]+)(?::([^:@/]+)|@([^:@/]+))")
_ID = re.compile(
    r"azureml:(?://registries/[^/]+|//?subscriptions/(?:(?!/datastores/).)+?)"
    r"/(components|environments|codes|data|models)/([^/]+)/(?:versions/([^/]+)|labels/([^/]+))"
)


@dataclass(frozen=True)
class Registered:
    """A name such as `azureml:train:3`, or the id of the same.

    Attributes:
        text: As it is written.
        kind: A key of the file that defines it; None if the text does not tell.
        version: None for a label.
        label: Usually `latest`; None for a version.
    """

    text: str
    kind: str | None
    name: str
    version: str | None
    label: str | None

    @classmethod
    def parse(cls, text: str) -> Registered | None:
        """Read `azureml:NAME:VERSION`, `azureml:NAME@LABEL`, or an id, which contains the same.

        Ids are those of registries (`azureml://registries/...`) and of workspaces
        (`azureml:/subscriptions/...`). None: the text is none of them.
        """
        if (short := _SHORT.fullmatch(text)) is not None:
            return cls(text, None, *short.groups())
        if (found := _ID.fullmatch(text)) is None:
            return None
        kind, name, version, label = found.groups()
        return cls(text, KINDS.get(kind, "data"), name, version, label)

    def version_in(self, versions: Collection[str]) -> str | None:
        """The version that is meant: of numbers the highest for `latest`, else the last."""
        if self.version is not None:
            return self.version if self.version in versions else None
        if self.label != LATEST or not versions:
            return None
        if all(version.isdecimal() for version in versions):
            return max(versions, key=int)
        return list(versions)[-1]


def file_to_fill_in(missing: Iterable[tuple[Registered, str]]) -> str:
    """A file that defines registered things of some kinds, without their paths."""
    file: dict[str, dict[str, dict[str, str]]] = {}
    for wanted, kind in missing:
        versions = file.setdefault(kind, {}).setdefault(wanted.name, {})
        versions[wanted.version or "1"] = "PATH"
    return yaml.safe_dump(file, sort_keys=False, allow_unicode=True).rstrip()
