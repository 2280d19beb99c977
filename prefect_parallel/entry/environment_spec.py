"""The environment that a step asks for, as far as it can be built."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
from dataclasses import dataclass
from typing import Any

NEEDED = {"fsspec": "fsspec", "pandas": "pandas", "pyarrow": "pyarrow", "pyyaml": "yaml"}
"""What an entry process imports of this package's requirements: package -> module."""


@dataclass(frozen=True)
class EnvironmentSpec:
    """What an interpreter is built from.

    Attributes:
        python: Versions of Python that will do, as PEP 440 writes them.
        pip: Lines of a requirements file.
        conda: Conda packages other than Python and pip.
        channels: Where conda looks for them.
    """

    python: str
    pip: tuple[str, ...]
    conda: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The same for the same requirements, on machines of one kind."""
        text = json.dumps([platform.system(), platform.machine(), dataclasses.asdict(self)])
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> EnvironmentSpec:
        lists = {name: tuple(fields[name]) for name in ("pip", "conda", "channels")}
        return cls(**{**fields, **lists})
