"""Blocks: saved from files, listed, and found by the names in pipelines."""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from prefect.client.orchestration import get_client
from pydantic import ValidationError

from prefect_parallel.blocks import Compute, DataAsset, Datastore
from prefect_parallel.data import Datastores
from tests.command_here import command_here
from tests.e2e.conftest import Pipeline, write_pipeline

ROOT = Path(__file__).parents[2]

SCRIPT = """
    def init(): pass
    def run(mini_batch): return ["x" for _ in range(len(mini_batch))]
"""

SECRET = "a-secret-that-nobody-may-see"


def command(server: str, *arguments: object, folder: Path, expect: int = 0) -> str:
    said = command_here(server, folder, *arguments, expect=expect)
    assert SECRET not in said
    return said


def test_a_file_of_blocks_is_applied_twice_and_listed(tmp_path: Path, server: str) -> None:
    unique = uuid4().hex
    file = tmp_path / "blöcke, 'unsere'.py"
    file.write_text(
        f"""
from prefect.blocks.system import Secret
from prefect_parallel.blocks import Compute, DataAsset, Datastore
from prefect_parallel.data import Datastores

pool_{unique} = Compute(address="tcp://10.0.0.1:8786", max_instances=3)
store_{unique} = Datastore(url="s3://bucket", storage_options={{"secret": "{SECRET}"}})
asset = DataAsset(name="Sales_{unique}", version=7, type="uri_folder", path="s3://bucket/sales")
token_{unique} = Secret(value="{SECRET}")
_not_this_{unique} = Compute()
"""
    )
    said = command(server, "blocks", "apply", file, folder=tmp_path)
    lines = [line.split() for line in said.splitlines() if unique in line]
    assert lines == [
        ["Compute", f"pool-{unique}", "created"],
        ["Datastore", f"store-{unique}", "created"],
        ["Data", "Asset", f"sales-{unique}-7", "created"],
        ["Secret", f"token-{unique}", "created"],
    ]
    file.write_text(file.read_text().replace("10.0.0.1", "10.0.0.2"))
    said = command(server, "blocks", "apply", file, folder=tmp_path)
    assert said.count("updated") == 4
    said = " ".join(command(server, "blocks", "ls", folder=tmp_path).split())
    assert f"Compute pool-{unique} tcp://10.0.0.2:8786" in said
    assert f"Datastore store-{unique} s3://bucket" in said
    asset = f"Data Asset sales-{unique}-7 azureml:Sales_{unique}:7 is s3://bucket/sales"
    assert asset in said
    with get_client(sync_client=True) as client:
        kept = client.read_block_document_by_name(
            f"store-{unique}", "datastore", include_secrets=False
        )
    assert SECRET not in str(kept.data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "defines no block"),
        ("x = 1\nimport prefect_paralel\n", "blocks.py:2: No module named 'prefect_paralel'"),
        ("x = (\n", "blocks.py:1: '(' was never closed"),
        (
            "from prefect_parallel.blocks import Compute\nx = Compute(max_instances=0)\n",
            "blocks.py:2: 1 validation error for Compute",
        ),
    ],
    ids=["none", "raises", "no python", "invalid block"],
)
def test_a_file_that_cannot_be_applied(
    tmp_path: Path, server: str, text: str, message: str
) -> None:
    (tmp_path / "blocks.py").write_text(text)
    said = command(server, "blocks", "apply", "blocks.py", folder=tmp_path, expect=1)
    assert message in said
    assert "Traceback" not in said


def test_the_shipped_blocks(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "contoso")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", SECRET)
    for name in ("azure", "local"):
        said = command(server, "blocks", "apply", ROOT / "blocks" / f"{name}.py", folder=tmp_path)
        assert "cpu-cluster" in said
    said = command(server, "plan", write_asset_job(tmp_path, server).file, folder=tmp_path)
    assert "mini-batches" in said


def write_asset_job(folder: Path, server: str) -> Pipeline:
    """A pipeline over the asset of `blocks/local.py`."""
    it = write_pipeline(folder, server, SCRIPT)
    job = yaml.safe_load(it.file.read_text())
    job["jobs"]["step"]["inputs"]["files"] = {"type": "mltable", "path": "azureml:iris@latest"}
    job["jobs"]["step"]["mini_batch_size"] = "1kb"
    it.file.write_text(yaml.safe_dump(job))
    return it


def test_names_of_data_are_found_in_blocks(tmp_path: Path, server: str) -> None:
    unique = uuid4().hex
    Datastore(url=str(tmp_path)).save(f"my-store-{unique}")
    for version in ("9", "10"):
        path = f"azureml://datastores/My_Store_{unique}/paths/{version}"
        asset = DataAsset(name=f"a_{unique}", version=version, type="uri_folder", path=path)
        asset.save(asset.document_name)
    (tmp_path / "10").mkdir()
    for name in "abc":
        (tmp_path / "10" / name).write_text("")
    it = write_pipeline(tmp_path, server, SCRIPT)
    job = yaml.safe_load(it.file.read_text())
    files = job["jobs"]["step"]["inputs"]["files"] = {"type": "uri_folder"}

    files["path"] = f"azureml:a_{unique}@latest"
    it.file.write_text(yaml.safe_dump(job))
    it.call()
    assert it.output.read_text() == "x\nx\nx\n"
    shutil.rmtree(it.folder / "runs")

    files["path"] = f"azureml:a_{unique}:1"
    it.file.write_text(yaml.safe_dump(job))
    said = it.run(expect=2)
    assert f"jobs.step.inputs.files: azureml:a_{unique}:1: unknown version '1'" in said
    assert "allowed: 9, 10" in said

    files["path"] = f"azureml://datastores/my_stor_{unique}/paths/10"
    it.file.write_text(yaml.safe_dump(job))
    said = it.run(expect=2)
    assert f"unknown datastore 'my_stor_{unique}'" in said
    assert f"did you mean my-store-{unique}?" in said


def test_a_file_has_precedence_over_blocks(tmp_path: Path, server: str) -> None:
    unique = uuid4().hex
    Datastore(url="s3://not-this").save(unique)
    it = write_pipeline(tmp_path, server, SCRIPT)
    job = yaml.safe_load(it.file.read_text())
    job["jobs"]["step"]["inputs"]["files"]["path"] = f"azureml://datastores/{unique}/paths/data"
    it.file.write_text(yaml.safe_dump(job))
    (it.folder / "stores.yml").write_text(yaml.safe_dump({"datastores": {unique: {"url": "."}}}))
    it.call(datastores=Datastores.load(it.folder / "stores.yml"))
    assert it.output.read_text() == "x\n" * 4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"address": "tcp://a:1", "cluster_class": "a.B"}, "either address or cluster_class"),
        ({"adapt_kwargs": {}}, "need a cluster_class"),
        ({"tls_ca": "ca.pem"}, "need an address"),
    ],
    ids=["two places", "adapts nothing", "secures nothing"],
)
def test_a_compute_whose_fields_contradict_each_other(
    fields: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        Compute.model_validate(fields)
