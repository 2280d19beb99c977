"""Requirements against the packages that are installed here."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from prefect_parallel.flow.run.unmet_requirements import unmet_requirements
from prefect_parallel.job.files.requirements import requirements_in

PYTHON = platform.python_version()
MINOR = PYTHON.rpartition(".")[0]
NUMPY = version("numpy")


def unmet_of(*conda: str, pip: list[str] | None = None) -> list[str]:
    data: dict[str, Any] = {"dependencies": [*conda, {"pip": pip or []}]}
    return unmet_requirements(requirements_in(data, "conda.yml", Path()))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("numpy", None),
        ("NumPy>=1", None),
        ("numpy<1", f"numpy<1 ({NUMPY} is installed)"),
        (f"numpy=={NUMPY}", None),
        ("numpy~=0.1", f"numpy~=0.1 ({NUMPY} is installed)"),
        ("no-such-package-anywhere", "no-such-package-anywhere (not installed)"),
        ("no-such-package-anywhere; python_version < '3'", None),
        ("numpy<1; python_version >= '3'", f"({NUMPY} is installed)"),
        # What extras need.
        ("httpx[socks]", "socksio==1.* (not installed)"),
        ("dask[array]", None),
        # These name no package to compare.
        ("--extra-index-url https://example.org", None),
        ("git+https://example.org/x.git", None),
        ("./wheels/x.whl", None),
        # Azure's own runner, which this package takes the place of.
        ("mltable", None),
        ("azureml-dataset-runtime[pandas,fuse]", None),
    ],
)
def test_of_pip(line: str, found: str | None) -> None:
    assert_found(unmet_of(pip=[line]), found)


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        (f"python={MINOR}", None),
        (f"python>={MINOR}", None),
        ("python=3.5", f"python=3.5 (this is {PYTHON})"),
        ("python 3.5|3.6", f"python 3.5|3.6 (this is {PYTHON})"),
        (f"python 3.5|{MINOR}.*", None),
        ("numpy=0", f"numpy=0 ({NUMPY} is installed)"),
        ("conda-forge::numpy>=1", None),
        ("numpy=0.1=py310_0", f"numpy=0.1=py310_0 ({NUMPY} is installed)"),
        # Nobody can say whether it is a Python package.
        ("openmpi=4.1", None),
        ("numpy[version='<1']", None),
        ("pip=1.0", None),
    ],
)
def test_of_conda(spec: str, found: str | None) -> None:
    assert_found(unmet_of(spec), found)


def assert_found(lines: list[str], found: str | None) -> None:
    if found is None:
        assert lines == []
    else:
        assert lines, "nothing is unmet"
        assert found in lines[0]


def test_all_that_is_unmet_is_listed_once() -> None:
    found = unmet_of("python=3.5", "numpy=0", pip=["numpy<1", "numpy<1", "pandas<1"])
    assert [line.split(" ")[0] for line in found] == [
        "python=3.5",
        "numpy=0",
        "numpy<1",
        "pandas<1",
    ]
