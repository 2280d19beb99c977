"""Outputs that become data assets, which later pipelines read as `azureml:NAME:VERSION`."""

from __future__ import annotations

from collections.abc import Mapping

from prefect_parallel.blocks.data_asset import DataAsset
from prefect_parallel.blocks.lookup import find_data_assets
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.job import OutputAsset


class AssetExists(PrefectParallelError):
    """An output would replace a data asset that is somewhere else."""


def register(asset: OutputAsset, of_type: str, path: str) -> str:
    """Save the `DataAsset` block of an output, and return its name.

    Without a version, it is the one that has this path already, as in a resumed run; else the
    number after the highest.

    Raises:
        AssetExists: There is such a version, with another type or path.
        ServerUnreachable: The server does not answer.
    """
    found = {each.version: each for each in find_data_assets() if each.name == asset.name}
    version = asset.version or _version_for(found, of_type, path)
    block = DataAsset(name=asset.name, version=version, type=of_type, path=path)
    there = found.get(version)
    name = f"azureml:{asset.name}:{version}"
    if there is None:
        block.save(block.document_name)
    elif there.to_asset() != block.to_asset():
        raise AssetExists(
            f"the data asset {name} exists already: {there.path}",
            hint="leave out `version` to make a new one for each run",
        )
    return name


def _version_for(found: Mapping[str, DataAsset], of_type: str, path: str) -> str:
    for version, each in found.items():
        if (each.type, each.path) == (of_type, path):
            return version
    numbers = [int(version) for version in found if version.isdecimal()]
    return str(max(numbers, default=0) + 1)
