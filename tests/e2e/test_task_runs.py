"""What users see of task runs in the Prefect UI: states and logs, read from a real server."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    LogFilter,
    LogFilterFlowRunId,
    LogFilterTaskRunId,
)
from prefect.client.schemas.objects import Log, TaskRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling

from tests.e2e.conftest import Pipeline, mini_batches_of
from tests.waiting import wait_until


def logs_of(server: str, runs: Iterable[UUID]) -> list[Log]:
    of_runs = LogFilter(task_run_id=LogFilterTaskRunId(any_=list(runs)))
    with temporary_settings({PREFECT_API_URL: server}), get_client(sync_client=True) as client:
        return client.read_logs(of_runs, limit=200)


def log_of(server: str, run: TaskRun, last: str) -> str:
    """The log of a task run, as soon as its last line is there."""
    found: list[str] = []

    def whole() -> bool:
        found[:] = [each.message for each in logs_of(server, [run.id])]
        return any(last in message for message in found)

    wait_until(whole)
    return "\n".join(found)


def test_the_log_of_a_failed_task_run_has_the_traceback_of_the_script(
    pipeline: Any, server: str
) -> None:
    it: Pipeline = pipeline(
        """
        def init(): pass
        def run(mini_batch):
            if "001" in mini_batch[0]:
                return check(mini_batch[0])
            return mini_batch
        def check(path):
            raise ValueError("upside down " + "x" * 50_000)
        """,
        files=2,
        retry_settings={"max_retries": 1, "timeout": 300},
    )
    it.call()
    _, _, of_step = it.flow_runs()
    (failed,) = [run for run in of_step if run.state_name == "Failed"]
    log = log_of(server, failed, "Retries are exhausted")
    for attempt in (1, 2):
        assert f"mini-batch 1, attempt {attempt}: ValueError: upside down" in log
    assert log.count('script.py", line 5, in run') == 2
    assert log.count("return check(mini_batch[0])") == 2
    assert "task_engine.py" not in log
    assert "node.py" not in log
    assert len(log) < 30_000
    # One of each attempt; the second may run in another process.
    tracebacks = [each.splitlines()[0].strip(")") for each in log.split("full traceback: ")[1:]]
    assert all("x" * 50_000 in Path(each).read_text() for each in tracebacks)
    assert any(f"(full traceback: {each})" in it.result["reason"] for each in tracebacks)


def test_the_log_of_a_task_run_whose_init_fails_has_the_traceback_of_the_script(
    pipeline: Any, server: str
) -> None:
    it: Pipeline = pipeline("def init(): raise OSError('no model')\ndef run(x): return x", files=1)
    said = it.call(expect="Failed")
    _, _, (task_run,) = it.flow_runs()
    log = log_of(server, task_run, "Finished in state Cancelled")
    assert 'script.py", line 1, in init' in log
    assert "task_engine.py" not in log
    traceback = said.split("full traceback: ")[1].splitlines()[0].strip(")")
    assert "OSError: no model" in Path(traceback).read_text()
    assert f"(full traceback: {traceback})" in log


def test_neighbors_share_a_task_run_and_are_retried_alone(pipeline: Any, server: str) -> None:
    it: Pipeline = pipeline(
        """
        import os
        def init(): pass
        def run(mini_batch):
            name = os.path.basename(mini_batch[0])
            print("running", name)
            if name in ("001.txt", "030.txt") and not os.path.exists("seen" + name):
                open("seen" + name, "w").close()
                raise ValueError("only once")
            return [name]
        """,
        files=40,
        max_concurrency_per_instance=1,
        retry_settings={"max_retries": 1, "timeout": 300},
    )
    # However long the first ones take.
    assert "40 of 40 mini-batches succeeded" in it.call(task_run_seconds=60)
    assert it.output.read_text() == "".join(f"{number:03d}.txt\n" for number in range(40))
    said = it.said().splitlines()
    twice = {number for number in range(40) if said.count(f"running {number:03d}.txt") == 2}
    assert (twice, sum(line.startswith("running") for line in said)) == ({1, 30}, 42)
    in_order = list(dict.fromkeys(line for line in said if line.startswith("running")))
    assert in_order == sorted(in_order)
    _, _, of_step = it.flow_runs()
    counts = {run.name: run.run_count for run in of_step}
    assert counts.keys() >= {"mini-batch-0", "mini-batch-1", "mini-batch-2"}
    assert counts["mini-batch-1"] == 2
    (of_30,) = [name for name in counts if 30 in mini_batches_of(name)]
    assert len(mini_batches_of(of_30)) > 1
    assert counts[of_30] == 2
    assert len(counts) < 30
    # Small results of a task run share a file; a failure has one of its own.
    parts = {path.name for path in it.step.glob("parts/*.part")}
    assert "000030.part" in parts
    assert len(parts) + len([*it.step.glob("packs/*/*.pack")]) <= len(counts) + 1
    overview = max((it.step / "logs").glob("job_progress_overview.*"))
    assert "40 of 40 mini-batches done, 0 failed" in overview.read_text().splitlines()[-1]


def test_a_result_that_comes_just_after_the_timeout_does_not_replace_that_of_the_retry(
    pipeline: Any,
) -> None:
    it: Pipeline = pipeline(
        """
        import os, time
        def init(): pass
        def run(mini_batch):
            name = os.path.basename(mini_batch[0])
            if not os.path.exists("seen" + name):
                open("seen" + name, "w").close()
                time.sleep(1.03)
            return [name]
        """,
        files=10,
        max_concurrency_per_instance=1,
        retry_settings={"max_retries": 1, "timeout": 1},
    )
    assert "10 of 10 mini-batches succeeded" in it.call(task_run_seconds=600)
    assert it.output.read_text() == "".join(f"{number:03d}.txt\n" for number in range(10))


def test_a_task_run_that_takes_too_long_gives_the_rest_of_its_group_back(
    pipeline: Any, server: str
) -> None:
    it: Pipeline = pipeline(
        """
        import os, time
        def init(): pass
        def run(mini_batch):
            name = os.path.basename(mini_batch[0])
            print("running", name)
            if "060.txt" <= name < "066.txt":
                time.sleep(1.5)
            if name in ("061.txt", "079.txt") and not os.path.exists("seen" + name):
                open("seen" + name, "w").close()
                raise ValueError("only once")
            return [name]
        """,
        files=80,
        max_concurrency_per_instance=1,
        retry_settings={"max_retries": 1, "timeout": 300},
    )
    # The first 60 show that a task run has room for several, even if some of them are slow.
    it.call(task_run_seconds=1)
    assert it.output.read_text() == "".join(f"{number:03d}.txt\n" for number in range(80))
    assert it.result["mini_batches"] == {"total": 80, "succeeded": 80, "failed": 0, "retried": 2}
    said = it.said().splitlines()
    assert sum(line.startswith("running") for line in said) == 82
    _, _, of_step = it.flow_runs()
    groups = {run.id: mini_batches_of(run.name) for run in of_step}
    late = [
        run
        for run, one in groups.items()
        if any(one.start < other.start < one.stop for other in groups.values())
    ]
    assert late, groups
    told = "take longer than expected"
    wait_until(lambda: any(told in log.message for log in logs_of(server, late)))


@pytest.mark.parametrize("way", ["Ctrl-C", "Prefect UI"])
def test_the_task_runs_of_a_canceled_run_are_cancelled(
    pipeline: Any, server: str, way: str
) -> None:
    it: Pipeline = pipeline("""
        import time
        def init(): pass
        def run(mini_batch):
            print("running")
            time.sleep(600)
    """)
    process = it.start()
    wait_until(lambda: it.step.exists() and it.said().count("running") == 2)
    if way == "Ctrl-C":
        process.send_signal(signal.SIGINT)
    else:
        run = it.flow_run
        with temporary_settings({PREFECT_API_URL: server}), get_client(sync_client=True) as client:
            client.set_flow_run_state(run, Cancelling())
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 1, said
    pipeline_run, step, of_step = it.flow_runs(started=2)
    assert (pipeline_run.state_name, step.state_name) == ("Cancelled", "Cancelled")
    assert [each.state_name for each in of_step] == ["Cancelled"] * 2
    for each in of_step:
        assert log_of(server, each, "Finished in state").startswith("Finished in state Cancelled")
    of_runs = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[pipeline_run.id, step.id]))
    with temporary_settings({PREFECT_API_URL: server}), get_client(sync_client=True) as client:
        messages = [each.message for each in client.read_logs(of_runs, limit=200)]
    assert not [text for text in messages if re.search("exception|Traceback|Closed|Failed", text)]
