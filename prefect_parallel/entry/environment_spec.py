"""Requirements of a Python environment that can be built."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
from dataclasses import dataclass
from typing import Any

NEEDED = {
    "fsspec": "fsspec",
    "orjson": "orjson",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
    "pyyaml": "yaml",
}
"""Dependencies of this package that an entry process imports: package -> module."""


@dataclass(frozen=True)
class EnvironmentSpec:
    """Requirements of a Python environment.

    Attributes:
        python: Versions of Python as a PEP 440 specifier, e.g. `>=3.10`.
        pip: Lines of a requirements file.
        conda: Conda packages other than Python and pip.
        channels: Conda channels.
    """

    python: str
    pip: tuple[str, ...]
    conda: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Key of the requirements on this kind of machine."""
        text = json.dumps([platform.system(), platform.machine(), dataclasses.asdict(self)])
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> EnvironmentSpec:
        lists = {name: tuple(fields[name]) for name in ("pip", "conda", "channels")}
        return cls(**{**fields, **lists})
