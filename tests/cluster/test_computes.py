"""Compute blocks: where the steps run that name them, and what is said where there is none."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_parallel import load_pipeline
from prefect_parallel.blocks import Compute
from prefect_parallel.flow.nodes.cluster import NewCluster, cluster_of
from prefect_parallel.flow.nodes.node_lease import NodeRequest
from prefect_parallel.flow.run.computes import Computes
from prefect_parallel.job import resolve
from tests.e2e.conftest import Pipeline, write_pipeline

SCRIPT = """
    import os
    def init(): pass
    def run(mini_batch):
        return [f"{os.environ.get('CUDA_VISIBLE_DEVICES')}" for _ in mini_batch]
"""


def test_a_compute_without_a_block(tmp_path: Path, server: str) -> None:
    unique = f"Pool_{uuid4().hex}"
    it = write_pipeline(tmp_path, server, SCRIPT, compute=f"azureml:{unique}")
    said = it.call()
    assert said.count(f"no Compute block is named {unique}: this machine is used") == 1
    said = it.run("--strict", "--output-dir", "others", expect=2)
    assert f"no Compute block is named {unique}" in said
    assert not (it.folder / "others").exists()

    Compute(max_instances=1).save(unique.lower().replace("_", "-"))
    said = it.run(
        "--strict", "--output-dir", "others", "--set", "jobs.step.resources.instance_count=2"
    )
    assert "Compute" not in said
    assert "on 1 node x 2 slots" in said


def test_no_server_is_asked_about_a_pipeline_that_names_no_compute(tmp_path: Path) -> None:
    it = write_pipeline(tmp_path, "", SCRIPT)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert Computes.of(resolve(load_pipeline(it.file)), {}) == Computes()


@pytest.mark.parametrize(
    "fields",
    [{}, {"adapt_kwargs": {"maximum": 8, "interval": "100ms"}}],
    ids=["fixed", "adaptive"],
)
def test_a_cluster_that_is_started_for_the_step(
    tmp_path: Path, server: str, fields: dict[str, Any]
) -> None:
    name = f"it-{uuid4().hex}"
    arguments = {"threads_per_worker": 4, "dashboard_address": None, "memory_limit": 0}
    Compute(cluster_class="distributed.LocalCluster", cluster_kwargs=arguments, **fields).save(name)
    it = write_pipeline(tmp_path, server, SCRIPT, files=6, compute=name)
    it.run("--set", "jobs.step.resources.instance_count=2")
    assert it.output.read_text() == "None\n" * 6
    assert 1 <= it.result["nodes"] <= 2


def test_a_cluster_class_that_is_not_there(tmp_path: Path, server: str) -> None:
    it = pipeline_on("no_such_package.Cluster", tmp_path, server)
    said = it.call(expect="Failed")
    assert "there is no cluster class no_such_package.Cluster" in said
    it = pipeline_on("distributed.LocalCluster", tmp_path / "x", server, no_such_argument=1)
    # By the command: workers cannot import the main module of the tests.
    said = it.run(expect=1)
    assert "no Dask cluster: a distributed.LocalCluster" in said
    assert "no_such_argument" in said


def pipeline_on(name: str, folder: Path, server: str, **arguments: Any) -> Pipeline:
    block = f"it-{uuid4().hex}"
    Compute(cluster_class=name, cluster_kwargs=arguments).save(block)
    return write_pipeline(folder, server, SCRIPT, compute=block)


def cluster_in_kubernetes(arguments: Mapping[str, Any]) -> Any:
    """What `KubeCluster` asks the operator for, whose pods and service Kubernetes takes."""
    from dask_kubernetes.operator import KubeCluster, make_cluster_spec

    bound = inspect.signature(KubeCluster).bind(**arguments).arguments
    spec = make_cluster_spec(**bound)["spec"]
    for made, kind in (
        (spec["worker"]["spec"], "V1PodSpec"),
        (spec["scheduler"]["spec"], "V1PodSpec"),
        (spec["scheduler"]["service"], "V1ServiceSpec"),
    ):
        assert without_nulls(made) == as_kubernetes_reads(made, kind)
    return spec


def as_kubernetes_reads(manifest: Any, kind: str) -> Any:
    """A manifest without unknown keys and with converted values, by Kubernetes' OpenAPI models."""
    from kubernetes import client

    api: Any = client.ApiClient()
    read = api.deserialize(json.dumps(manifest), kind, "application/json")
    return without_nulls(api.sanitize_for_serialization(read))


def without_nulls(manifest: Any) -> Any:
    if isinstance(manifest, dict):
        found = {key: without_nulls(value) for key, value in manifest.items()}
        return {key: value for key, value in found.items() if value is not None}
    return [without_nulls(each) for each in manifest] if isinstance(manifest, list) else manifest


def test_a_pod_that_kubernetes_does_not_take_is_noticed() -> None:
    pytest.importorskip("dask_kubernetes.operator", reason="no dask-kubernetes")
    with pytest.raises(AssertionError):
        cluster_in_kubernetes({"name": "a", "resources": {"request": {"cpu": "4"}}})


def test_a_cluster_in_kubernetes_is_set_up() -> None:
    operator = pytest.importorskip("dask_kubernetes.operator", reason="no dask-kubernetes")
    compute = Compute(
        cluster_class="dask_kubernetes.operator.KubeCluster",
        cluster_kwargs={"name": "scoring", "image": "registry/scoring:1"},
        adapt_kwargs={"minimum": 0, "maximum": 10},
    )
    cluster = cluster_of(compute, NodeRequest(3, 4))
    assert isinstance(cluster, NewCluster)
    assert cluster.cluster_class is operator.KubeCluster
    spec = cluster_in_kubernetes(cluster.arguments)
    assert spec["worker"]["replicas"] == 3
    assert spec["worker"]["spec"]["containers"][0]["image"] == "registry/scoring:1"
    assert cluster.adapt_arguments == {"minimum": 1, "maximum": 3}


def test_the_compute_of_the_shipped_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dask_kubernetes.operator", reason="no dask-kubernetes")
    from prefect_parallel.blocks.block_file import load_block_file

    for name in ("NAME", "KEY"):
        monkeypatch.setenv(f"AZURE_STORAGE_ACCOUNT_{name}", "x")
    compute = load_block_file(Path(__file__).parents[2] / "blocks" / "azure.py")["cpu-cluster"]
    assert isinstance(compute, Compute)
    cluster = cluster_of(compute, NodeRequest(2, None))
    assert isinstance(cluster, NewCluster)
    spec = cluster_in_kubernetes(cluster.arguments)
    [worker] = spec["worker"]["spec"]["containers"]
    assert worker["resources"]["requests"] == {"cpu": "4", "memory": "8Gi"}


def test_gpus_that_are_not_used(
    tmp_path: Path, server: str, two_gpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"it-{uuid4().hex}"
    it = write_pipeline(tmp_path, server, SCRIPT, files=8, compute=name)
    job = yaml.safe_load(it.file.read_text())
    del job["jobs"]["step"]["max_concurrency_per_instance"]
    it.file.write_text(yaml.safe_dump(job))
    Compute(gpus_per_instance=1).save(name)
    said = it.call()
    assert "on 1 node x 1 slot" in said
    assert it.output.read_text() == "0\n" * 8
    Compute(gpus_per_instance=0).save(name, overwrite=True)
    it.call(output_dir=it.folder / "others")
    output = it.folder / "others" / "run" / "steps" / "step" / "outputs" / "out"
    assert output.read_text() == "\n" * 8
