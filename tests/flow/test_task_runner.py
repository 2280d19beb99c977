"""What `NodeTaskRunner` promises, on nodes of this machine."""

from __future__ import annotations

from typing import Any

import pytest
from distributed import Client, LocalCluster
from prefect import flow, runtime, task
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_parallel.flow.nodes import prefect_compat
from prefect_parallel.flow.nodes.cluster import ThisMachine
from prefect_parallel.flow.nodes.task_runner import NodeTaskRunner


@task
def add(x: int, y: int) -> int:
    return x + y


@task(retries=2)
def succeed_at_the_third_try(x: int) -> int:
    if runtime.task_run.run_count < 3:
        raise RuntimeError("once more")
    return x


@task
def fail(x: int) -> None:
    raise ValueError("no good")


@task(tags=["own"])
def describe(x: int) -> tuple[str, str, list[str]]:
    run, parent = runtime.task_run, runtime.flow_run
    return run.name.rpartition("-")[0], parent.flow_name, sorted(run.tags)


@pytest.fixture(scope="module")
def results(server: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    @flow(name="everything", task_runner=NodeTaskRunner(ThisMachine(nodes=2, slots=1)))
    def everything() -> None:
        found["mapped"] = add.map([1, 2, 3], 10).result()
        found["retried"] = succeed_at_the_third_try.submit(7).result()
        found["failed"] = fail.submit(1).result(raise_on_failure=False)
        found["described"] = describe.submit(1).result()

    # A notebook may have a client of its own.
    options = {"n_workers": 1, "processes": False, "dashboard_address": ":0"}
    with LocalCluster(**options) as cluster, Client(cluster) as own:
        with temporary_settings({PREFECT_API_URL: server}):
            everything()
        found["on the notebook's cluster"] = own.run(lambda dask_worker: list(dask_worker.plugins))
    return found


def test_tasks_that_only_this_process_can_import(results: dict[str, Any]) -> None:
    assert results["mapped"] == [11, 12, 13]


def test_retries_are_those_of_prefect(results: dict[str, Any]) -> None:
    assert results["retried"] == 7
    assert repr(results["failed"]) == "ValueError('no good')"


def test_a_task_run_belongs_to_its_flow(results: dict[str, Any]) -> None:
    assert results["described"] == ("describe", "everything", ["own"])


def test_a_notebooks_own_cluster_is_left_alone(results: dict[str, Any]) -> None:
    [plugins] = results["on the notebook's cluster"].values()
    assert not [name for name in plugins if name.startswith("shared-")]


def test_a_prefect_that_lacks_something_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefect_compat, "CALLED", {(lambda context: None): ("client",)})
    with pytest.raises(prefect_compat.UnknownPrefect, match="does not take client"):
        prefect_compat.check_prefect()
    monkeypatch.setattr(prefect_compat, "SERIALIZED", ("flow_run_context", "no_such_context"))
    with pytest.raises(prefect_compat.UnknownPrefect, match="context has no no_such_context"):
        prefect_compat.serialized_context()


def test_a_prefect_that_has_more_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefect_compat, "CALLED", {(lambda client, new: None): ("client",)})
    prefect_compat.check_prefect()
