"""Results as YAML files, which people read, too."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import yaml

from prefect_parallel.atomic_write import atomic_write

_Result = TypeVar("_Result", bound="ResultFile")


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as a block, line by line."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        # Names of files that are not UTF-8 contain lone surrogates, which YAML cannot encode.
        text = text.encode(errors="backslashreplace").decode()
        style = "|" if "\n" in text else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _Dumper.represent_text)


@dataclass(frozen=True)
class ResultFile:
    """A result that is written to a file, a key for each field."""

    @classmethod
    def read(cls: type[_Result], path: Path) -> _Result:
        """Read what `write` wrote."""
        return cls(**yaml.safe_load(path.read_text(encoding="utf-8")))

    def write(self, path: Path) -> None:
        """Write it as YAML, replacing the file atomically."""
        text = yaml.dump(
            asdict(self), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(text.encode())
