"""The maps of the package's largest part lead to all of it."""

from __future__ import annotations

import pkgutil
import re
from importlib import import_module

import pytest

from prefect_parallel import flow

PACKAGES = [flow.__name__] + [
    f"{flow.__name__}.{found.name}" for found in pkgutil.iter_modules(flow.__path__) if found.ispkg
]


@pytest.mark.parametrize("name", PACKAGES)
def test_each_module_is_on_the_map_of_its_package_once(name: str) -> None:
    package = import_module(name)
    there = sorted(found.name for found in pkgutil.iter_modules(package.__path__))
    assert sorted(re.findall(r"`(\w+)`", package.__doc__ or "")) == there
