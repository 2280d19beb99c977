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

PYTHON_NEEDED = ">=3.10"
"""The versions of Python that can run an entry process; the rest of the package needs newer."""


@dataclass(frozen=True)
class EnvironmentSpec:
    """Requirements of a Python environment.

    Attributes:
        python: Versions of Python as a PEP 440 specifier, e.g. `>=3.10`.
        pip: Lines of a requirements file.
        conda: Conda packages other than Python and pip.
        channels: Conda channels.
        imports: Modules that it is tested with.
        image: What tells the image in which it is built from others; None: it is built here.
    """

    python: str
    pip: tuple[str, ...]
    conda: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    image: str | None = None

    @property
    def key(self) -> str:
        """Key of the requirements on this kind of machine."""
        text = json.dumps([platform.system(), platform.machine(), dataclasses.asdict(self)])
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> EnvironmentSpec:
        lists = {name: tuple(fields[name]) for name in ("pip", "conda", "channels", "imports")}
        return cls(**{**fields, **lists})
