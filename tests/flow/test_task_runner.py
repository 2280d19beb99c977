"""`NodeTaskRunner` does what prefect-dask's own runner does: the same flow on both, compared."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from distributed import LocalCluster
from prefect import flow, get_run_logger, runtime, tags, task, unmapped
from prefect.assets import materialize
from prefect.cache_policies import INPUTS
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.sorting import TaskRunSort
from prefect.events import emit_event
from prefect.futures import PrefectFuture
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_TASKS_DEFAULT_RETRIES,
    get_current_settings,
    temporary_settings,
)
from prefect_dask import DaskTaskRunner

from prefect_parallel.flow.nodes import prefect_compat
from prefect_parallel.flow.nodes.task_runner import NodeTaskRunner

TASK_RUNS = 20
"""In the flow below."""

FINAL = ("Completed", "Failed", "Cached", "NotReady")

UUID_TEXT = re.compile(r"[0-9a-f-]{36}")


@task(task_run_name="double-{x}")
def double(x: int) -> int:
    get_run_logger().info("doubling %d", x)
    return 2 * x


@task
def add(x: int, y: int) -> int:
    return x + y


@task
def fail() -> None:
    raise ValueError("no good")


@task(retries=2)
def succeed_at_the_third_try() -> int:
    count: int = runtime.task_run.run_count
    if count < 3:
        raise RuntimeError("once more")
    return count


@task(log_prints=True)
def describe() -> dict[str, Any]:
    print("printed")
    emit_event("test.described", resource={"prefect.resource.id": "test"})
    return {
        "task": runtime.task_run.name.rsplit("-", 1)[0],
        "tags": sorted(runtime.task_run.tags),
        "flow": runtime.flow_run.flow_name,
        "retries": get_current_settings().tasks.default_retries,
    }


@task
async def in_a_coroutine(x: int) -> int:
    return x + 1


@task(cache_policy=INPUTS, persist_result=True)
def cached(x: str) -> int:
    return len(x)


@materialize("test://asset")
def make_asset() -> int:
    return 1


def run_everything(runner: DaskTaskRunner) -> tuple[UUID, dict[str, Any]]:
    """Run one flow with all sorts of tasks; gives its id, and what the flow saw of them."""
    seen: dict[str, Any] = {}
    cache_key = uuid4().hex

    def note(name: str, future: PrefectFuture[Any]) -> None:
        future.wait()
        seen[f"{name}: state"] = future.state.name
        if future.state.is_final():
            seen[f"{name}: result"] = repr(future.result(raise_on_failure=False))

    @flow(name="everything", task_runner=runner, log_prints=False)
    def everything() -> str:
        with tags("outer"):
            note("tagged", describe.submit())
            with tags("inner"):
                note("tagged twice", describe.submit())
        note("not tagged", describe.submit())
        with temporary_settings({PREFECT_TASKS_DEFAULT_RETRIES: 7}):
            note("other settings", describe.submit())
        first = double.submit(1)
        note("plain", first)
        note("depends", add.submit(first, y=3))
        note("waits", add.submit(1, 1, wait_for=[first]))
        failed = fail.submit()
        note("fails", failed)
        note("depends on a failure", add.submit(failed, 1))
        note("retried", succeed_at_the_third_try.submit())
        note("async", in_a_coroutine.submit(1))
        note("cached once", cached.submit(cache_key))
        note("cached twice", cached.submit(cache_key))
        note("asset", make_asset.submit())
        mapped = add.map([1, 2, 3], unmapped(10))
        seen["mapped"] = mapped.result()
        seen["mapped over futures"] = add.map(mapped, 100).result()
        with pytest.raises(ValueError, match="no good"):
            failed.result()
        return str(runtime.flow_run.id)

    state = everything(return_state=True)
    return UUID(state.result()), seen


def known_to_the_server(flow_run: UUID) -> dict[str, Any]:
    """What the UI shows of a flow run's task runs."""
    with get_client(sync_client=True) as client:
        until = time.monotonic() + 20
        while True:
            runs = client.read_task_runs(
                flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run])),
                sort=TaskRunSort.NAME_ASC,
                limit=200,
            )
            logs = client.read_logs(
                LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run])), limit=200, offset=0
            )
            of_tasks = [log for log in logs if log.task_run_id is not None]
            # States and logs arrive a little later.
            told = [log for log in of_tasks if log.message.startswith("Finished in state")]
            settled = all(run.state and run.state_name in FINAL for run in runs)
            if (settled and len(runs) == len(told) == TASK_RUNS) or time.monotonic() > until:
                break
            time.sleep(0.2)
    names = {run.id: _kind(run.name) for run in runs}
    return {
        "runs": sorted(
            (
                _kind(run.name),
                run.state_name,
                run.run_count,
                sorted(run.tags),
                sorted(
                    (parameter, names.get(getattr(source, "id", None), "?"))
                    for parameter, sources in run.task_inputs.items()
                    for source in sources
                    if getattr(source, "input_type", "") == "task_run"
                ),
                run.end_time is not None and run.start_time is not None,
            )
            for run in runs
        ),
        "logs": sorted(
            (names[log.task_run_id], UUID_TEXT.sub("...", log.message))  # type: ignore[index]
            for log in of_tasks
        ),
    }


def _kind(name: str) -> str:
    """A task run's name without what is random in it."""
    kind, _, end = name.rpartition("-")
    return kind if len(end) == 3 else name


@pytest.fixture(scope="module")
def outcomes(server: str) -> Iterator[dict[str, Any]]:
    with (
        temporary_settings({PREFECT_API_URL: server}),
        LocalCluster(
            n_workers=1, threads_per_worker=2, dashboard_address=":0"
        ) as cluster,
    ):  # fmt: skip
        outcomes = {}
        for kind in (DaskTaskRunner, NodeTaskRunner):
            flow_run, seen = run_everything(kind(address=cluster.scheduler_address))
            outcomes[kind.__name__] = {"seen": seen, **known_to_the_server(flow_run)}
        left = cluster.scheduler.tasks
        outcomes["left on the scheduler"] = list(left)
        yield outcomes


@pytest.mark.parametrize("what", ["seen", "runs", "logs"])
def test_the_same_as_on_the_stock_runner(outcomes: dict[str, Any], what: str) -> None:
    ours, stock = outcomes["NodeTaskRunner"][what], outcomes["DaskTaskRunner"][what]
    assert ours == stock
    assert ours


def test_states_results_tags_and_settings_are_those_that_prefect_promises(
    outcomes: dict[str, Any],
) -> None:
    seen = outcomes["NodeTaskRunner"]["seen"]
    assert seen["plain: result"] == "2"
    assert seen["depends: result"] == "5"
    assert seen["fails: state"] == "Failed"
    assert seen["fails: result"] == "ValueError('no good')"
    assert seen["retried: result"] == "3"
    assert seen["async: result"] == "2"
    assert seen["cached twice: state"] == "Cached"
    assert seen["mapped"] == [11, 12, 13]
    assert seen["mapped over futures"] == [111, 112, 113]
    assert "'tags': ['inner', 'outer']" in seen["tagged twice: result"]
    assert "'tags': []" in seen["not tagged: result"]
    assert "'retries': 7" in seen["other settings: result"]
    assert ("describe", "printed") in [
        (name, message) for name, message in outcomes["NodeTaskRunner"]["logs"]
    ]


def test_the_scheduler_holds_nothing_when_the_flow_is_over(outcomes: dict[str, Any]) -> None:
    assert outcomes["left on the scheduler"] == []


def test_it_is_duplicated_and_compared_like_the_stock_runner() -> None:
    runner = NodeTaskRunner.local(nodes=2, slots=3)
    assert isinstance(runner, DaskTaskRunner)
    assert runner.duplicate() == runner
    assert isinstance(runner.duplicate(), NodeTaskRunner)
    assert runner != NodeTaskRunner.local(nodes=2, slots=4)
    assert NodeTaskRunner(address="tcp://a:1") == DaskTaskRunner(address="tcp://a:1")
    with pytest.raises(RuntimeError, match="must be started"):
        runner.submit(add, {"x": 1, "y": 1})


def test_nodes_of_its_own_run_what_only_this_process_can_import(server: str) -> None:
    @flow(task_runner=NodeTaskRunner.local(nodes=2, slots=1))
    def adding() -> list[int]:
        return add.map([1, 2, 3], 10).result()

    with temporary_settings({PREFECT_API_URL: server}):
        assert adding() == [11, 12, 13]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda task, **rest: None, "submit takes task, rest, not self, task, parameters"),
        (
            lambda self, task, parameters, wait_for, dependencies, new: None,
            "submit takes self, task, parameters, wait_for, dependencies, new, not",
        ),
    ],
)
def test_a_prefect_that_calls_it_differently_is_refused(
    monkeypatch: pytest.MonkeyPatch, function: Callable[..., None], message: str
) -> None:
    (expected,) = prefect_compat.OVERRIDDEN.values()
    function.__qualname__ = "submit"
    monkeypatch.setattr(prefect_compat, "OVERRIDDEN", {function: expected})
    with pytest.raises(prefect_compat.UnknownPrefect, match=message):
        prefect_compat.check_prefect()


def test_a_prefect_that_takes_other_arguments_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefect_compat, "CALLED", {(lambda context: None): ("serialized_context",)})
    with pytest.raises(prefect_compat.UnknownPrefect, match="does not take serialized_context"):
        prefect_compat.check_prefect()
