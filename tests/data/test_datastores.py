"""Definitions of `azureml:` names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefect_parallel import load_table
from prefect_parallel.data import BySize, Datastores, Location, plan
from prefect_parallel.data.locations.datastores import InvalidDatastores
from prefect_parallel.errors import InvalidInput

FILE = """
datastores:
  near: {url: ./data}
  far: {url: s3://bucket/root/, storage_options: {key: a, secret: hush, nested: {port: 1}}}
assets:
  rows:
    2: {type: mltable, path: azureml://datastores/near/paths/rows}
    10: {type: mltable, path: ./data/rows}
  pictures:
    first: {type: uri_folder, path: s3://other/pictures}
    1: {type: uri_folder, path: "azureml://datastores/far/paths/p"}
models:
  net: {3: ./net}
"""


@pytest.fixture
def known(tmp_path: Path) -> Datastores:
    (tmp_path / "stores.yml").write_text(FILE)
    return Datastores.load(tmp_path / "stores.yml")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("azureml://datastores/near/paths/a/b", "HERE/data/a/b"),
        ("azureml:rows:2", "HERE/data/rows"),
        ("azureml:rows@latest", "HERE/data/rows"),
        ("azureml:pictures:first", "s3://other/pictures"),
        # Not all versions are numbers: the latest is the last.
        ("azureml:pictures@latest", "azureml://datastores/far/paths/p"),
        (
            "azureml://subscriptions/1/resourcegroups/2/workspaces/3/datastores/far/paths/a b",
            "azureml://datastores/far/paths/a b",
        ),
        ("azureml:net:3", "HERE/net"),
        ("azureml://registries/azureml/models/net/labels/latest", "HERE/net"),
        (
            "azureml:/subscriptions/1/resourceGroups/2/providers/Microsoft.MachineLearningServices"
            "/workspaces/3/data/rows/versions/10",
            "HERE/data/rows",
        ),
        # A path in a datastore that looks like an id.
        (
            "azureml://subscriptions/1/datastores/far/paths/models/net/versions/3",
            "azureml://datastores/far/paths/models/net/versions/3",
        ),
        ("file:///a/b", "/a/b"),
        ("https://host/a?b=c", "https://host/a?b=c"),
    ],
)
def test_names(known: Datastores, tmp_path: Path, name: str, path: str) -> None:
    assert Location.parse(name, datastores=known).path == path.replace("HERE", str(tmp_path))


def test_relative_local_and_remote_paths(known: Datastores) -> None:
    base = Location.parse("azureml://datastores/far/paths/x/table", datastores=known)
    assert Location.parse("../rows.csv", base).path == "azureml://datastores/far/paths/x/rows.csv"
    assert known.resolve(base.path)[0] == "s3://bucket/root/x/table"
    assert Location.parse("s3://b/c", base).path == "s3://b/c"


def test_a_table_in_a_datastore_that_is_a_local_folder(known: Datastores, tmp_path: Path) -> None:
    (tmp_path / "data" / "rows").mkdir(parents=True)
    (tmp_path / "data" / "rows" / "a.csv").write_text("x\n1\n")
    (tmp_path / "data" / "rows" / "MLTable").write_text(
        "paths: [{file: a.csv}]\ntransformations: [read_delimited]"
    )
    for name in ("azureml:rows:10", "azureml://datastores/near/paths/rows"):
        assert load_table(name, known).to_pandas()["x"].tolist() == [True]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("azureml:row:2", "unknown asset 'row'\n    allowed: net, rows, pictures\n.*mean rows"),
        ("azureml:rows:3", "unknown version '3' of rows\n    allowed: 2, 10"),
        ("azureml:rows@newest", "unknown version '@newest' of rows"),
        ("azureml://datastores/fa/paths/x", "unknown datastore 'fa'\n    allowed: near, far"),
        ("azureml://datastores/far", "invalid azureml: URL\n    allowed: azureml://datastores/"),
        ("azureml:rows", "invalid azureml: URL"),
    ],
)
def test_unknown_names(known: Datastores, name: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=f"(?s){name}: {message}"):
        plan(name, type="mltable", mode=None, split=BySize(), datastores=known)


def test_without_a_file_the_option_is_named() -> None:
    with pytest.raises(InvalidInput, match="--registry FILE"):
        plan("azureml:rows:1", type="mltable", mode=None, split=BySize())


def test_credentials_are_never_shown(known: Datastores) -> None:
    location = Location.parse("azureml://datastores/far/paths/x", datastores=known)
    assert "hush" not in f"{known} {location}"
    assert known.stores["far"].storage_options["secret"] == "hush"
    assert known.stores["far"].storage_options["nested"] == {"port": 1}


def test_storage_options_go_to_other_processes_as_json(tmp_path: Path) -> None:
    options = "{version: 2024-05-06, retries: 0x10, headers: {1: a}}"
    (tmp_path / "stores.yml").write_text(
        f"datastores: {{a: {{url: x, storage_options: {options}}}}}"
    )
    sent = json.dumps(Datastores.load(tmp_path / "stores.yml").to_json())
    assert Datastores.from_json(json.loads(sent)).stores["a"].storage_options == {
        "version": "2024-05-06",
        "retries": 16,
        "headers": {"1": "a"},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("datastores: {a: {}}", "1:14: datastores.a.url: the key is missing"),
        ("datastores: {a: {url: x, storage_option: {}}}", "did you mean storage_options"),
        ("datastores: [a]", "1:1: datastores: found a list"),
        ("assets: {a: {1: {type: x, path: y}, 1: {type: x, path: y}}}", "first defined on line 1"),
        (
            "datastores: {a: {url: x, storage_options: !!python/object:os.x {}}}",
            "tag !!python/object:os.x is not allowed",
        ),
        (
            "datastores: {a: {url: x, storage_options: {k: 1, k: 2}}}",
            "storage_options.k: duplicate key",
        ),
        ("{", "invalid YAML"),
        ("", "is empty"),
    ],
)
def test_files_with_errors(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "stores.yml").write_text(text)
    with pytest.raises(InvalidDatastores, match=message):
        Datastores.load(tmp_path / "stores.yml")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidDatastores, match=r"stores\.yml: no such file"):
        Datastores.load(tmp_path / "stores.yml")
