"""The map of the package's largest part leads to all of it."""

from __future__ import annotations

import re
from pathlib import Path

from prefect_parallel import flow


def test_each_module_is_on_the_map_once() -> None:
    there = sorted(path.stem for path in Path(flow.__path__[0]).glob("[!_]*.py"))
    assert sorted(re.findall(r"`(\w+)`", flow.__doc__ or "")) == there
