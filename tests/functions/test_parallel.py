"""`parallel`: functions and classes over data, from scripts and from flows."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
import psutil
import pyarrow as pa
import pytest
import yaml
from dask.distributed import Client, LocalCluster
from prefect import flow, tags, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterName,
    FlowRunFilterParentFlowRunId,
    TaskRunFilter,
    TaskRunFilterName,
)
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL

from prefect_parallel import ParallelFailed, parallel
from prefect_parallel.blocks import Compute
from prefect_parallel.errors import PrefectParallelError, UnknownCompute
from tests.e2e.conftest import COMMAND, heartbeats
from tests.waiting import wait_until

SALES = pd.DataFrame({"shop": ["a", "b"] * 500, "price": range(1000)})
FACTOR = 3


@parallel(mini_batch_size="1kb", max_concurrency_per_instance=2)
def score(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(total=rows.price * FACTOR)


@parallel(mini_batch_size="1kb", max_concurrency_per_instance=1)
class Scorer:
    def __init__(self, factor: int, *, offset: int) -> None:
        self.factor, self.offset = factor, offset
        print("made")

    def __call__(self, rows: pa.Table, context: Any) -> list[Any]:
        return [price * self.factor + self.offset for price in rows["price"].to_pylist()]

    def close(self) -> None:
        print("closed")


@parallel(mini_batch_size="1kb", max_concurrency_per_instance=1, max_retries=0)
def fragile(rows: list[dict[str, Any]], context: Any) -> list[Any]:
    (context.output_dir / f"{context.mini_batch_index}.model").touch()
    if context.mini_batch_index == 1:
        raise ValueError("one bad batch")
    return [row["price"] for row in rows]


@parallel(
    mini_batch_size=250,
    max_concurrency_per_instance=1,
    max_retries=0,
    mini_batch_error_threshold=0,
    task_run_seconds=0,
)
def falters(rows: pd.DataFrame, context: Any) -> list[int]:
    with Path("calls").open("a") as calls:
        calls.write(f"{context.mini_batch_index}\n")
    if context.mini_batch_index == 1 and not Path("tried").exists():
        Path("tried").touch()
        raise ValueError("not yet")
    return rows.price.tolist()


@parallel(mini_batch_size=25, max_concurrency_per_instance=2)
def node(rows: pd.DataFrame) -> list[int]:
    """The process of the Dask worker, which starts the one that starts entry processes."""
    spawner = psutil.Process().parent()
    assert spawner is not None
    return [spawner.ppid()] * len(rows)


@parallel(mini_batch_size=1, max_concurrency_per_instance=2, task_run_seconds=0, compute="licensed")
def timed(items: list[int]) -> list[tuple[float, float]]:
    started = time.time()
    time.sleep(0.3)
    return [(started, time.time())]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    server = os.fspath(PREFECT_API_URL.value() or "")
    return subprocess.run(
        [*COMMAND, *arguments],
        env={**os.environ, "PREFECT_API_URL": server},
        capture_output=True,
        text=True,
        timeout=480,
        check=False,
    )


def test_a_function_over_a_data_frame(folder: Path) -> None:
    result = score(SALES, output="scores.parquet", name="first")

    expected = SALES.assign(total=SALES.price * FACTOR)
    pd.testing.assert_frame_equal(pd.read_parquet("scores.parquet"), expected)
    pd.testing.assert_frame_equal(result.to_pandas(), expected)
    assert result.status == "Completed"
    assert result.output == folder / "scores.parquet"
    assert result.items == {"total": 1000, "succeeded": 1000, "failed": 0}
    assert result.mini_batches["total"] > 1
    assert list(result)[999] == {"shop": "b", "price": 999, "total": 2997}
    assert result.failed == []


def test_a_class_in_a_flow_is_a_subflow_and_does_not_block_the_loop(folder: Path) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.05)

    @flow
    async def nightly() -> tuple[Any, str]:
        ticking = asyncio.create_task(tick())
        result = await Scorer(2, offset=1).aio(SALES, output="scores.csv", name="nightly")
        ticking.cancel()
        return result, flow_run.id

    result, parent = asyncio.run(nightly())

    assert ticks > 10
    assert list(map(int, result)) == [price * 2 + 1 for price in range(1000)]
    printed = next((folder / "runs/nightly/steps/scorer/logs/user/stdout").rglob("*.txt"))
    assert printed.read_text() == "made\nclosed\n"
    children = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[parent]))
    with get_client(sync_client=True) as client:
        assert [run.name for run in client.read_flow_runs(flow_run_filter=children)] == ["nightly"]


def test_in_a_flow_it_depends_on_the_tasks_and_calls_that_made_its_data(folder: Path) -> None:
    @task
    def sales_of(shop: str) -> str:
        path = f"{shop}.csv"
        SALES[SALES["shop"] == shop].to_csv(path, index=False)
        return path

    @flow
    def nightly() -> str:
        futures = [sales_of("a"), sales_of.submit("b")]
        first = score(futures, output="scores.csv", name="made by tasks")
        score(first.output, output="again.csv", name="made by a call")
        return flow_run.id

    of_this_run = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(nightly())]))
    with get_client(sync_client=True) as client:
        runs = client.read_task_runs(flow_run_filter=of_this_run)
        made_first, made_second = sorted(
            (run for run in runs if run.name.startswith("score")), key=lambda run: run.name
        )
        by_tasks = {given.id for given in made_first.task_inputs["wait_for"]}
        (by_call,) = made_second.task_inputs["wait_for"]
        call = client.read_flow_run(by_call.id)

    assert by_tasks == {run.id for run in runs if run.name.startswith("sales_of")}
    assert call.parent_task_run_id == made_first.id
    expected = SALES.assign(total=SALES.price * FACTOR).sort_values("shop", kind="stable")
    pd.testing.assert_frame_equal(pd.read_csv("again.csv"), expected.reset_index(drop=True))


def test_above_its_thresholds_it_fails_and_is_resumed(folder: Path) -> None:
    strict = fragile.with_options(mini_batch_error_threshold=0)
    with pytest.raises(ParallelFailed, match="ValueError: one bad batch") as raised:
        strict(SALES, output="prices.jsonl", name="run")

    result = raised.value.result
    assert (result.status, result.output) == ("Failed", None)
    assert [failed["mini_batch"] for failed in result.failed] == [1]
    assert not (folder / "prices.jsonl").exists()
    run = folder / "runs/run"
    traceback = run / "steps/fragile" / result.failed[0]["traceback_file"]
    assert f'File "{__file__}"' in traceback.read_text()
    assert 'raise ValueError("one bad batch")' in traceback.read_text()

    with pytest.raises(ValueError, match="one bad batch"):
        fragile.debug(SALES, mini_batch=1, pdb=False)
    assert fragile.debug(SALES, mini_batch=0)[:3] == [0, 1, 2]
    repeat = shlex.split(result.failed[0]["repeat"])
    assert repeat == ["prefect-parallel", "debug", str(run), "--mini-batch", "1"]
    debugged = command(*repeat[1:], "--no-pdb")
    assert debugged.returncode == 1
    assert f'File "{__file__}"' in debugged.stderr

    trial = fragile(SALES, name="trial", only="0,2-3")
    assert trial.mini_batches == {"total": 3, "succeeded": 3, "failed": 0, "retried": 0}

    lenient = fragile(SALES, output="prices.jsonl", resume="run")
    assert lenient.mini_batches["failed"] == 1
    prices = list(lenient)
    assert len(prices) == lenient.items["succeeded"] < 1000
    models = {path.stem for path in (run / "steps/fragile/outputs/output").glob("*.model")}
    assert models == {str(index) for index in range(lenient.mini_batches["total"]) if index != 1}


def test_rows_in_csv_are_read_as_they_were_returned(folder: Path) -> None:
    returned = pd.DataFrame({"region": ["NA", "null", None], "share": [0.1, 1 / 3, 5 / 11]})

    def shares(items: list[int]) -> pd.DataFrame:
        return returned.iloc[items]

    result = parallel(shares)([0, 1, 2], output="shares.csv")
    pd.testing.assert_frame_equal(result.to_pandas(), returned, check_exact=True)


def test_text_is_iterated_as_it_was_returned(folder: Path) -> None:
    cells, names = ["x" * 200_000, 'a\n"b"'], ["b\udcff", "c"]

    def text(items: list[int]) -> pd.DataFrame:
        return pd.DataFrame({"cell": [cells[item] for item in items]})

    def name(items: list[int]) -> list[str]:
        return [names[item] for item in items]

    assert [row["cell"] for row in parallel(text)([0, 1], output="cells.csv")] == cells
    assert list(parallel(name)([0, 1], output="names.txt")) == names


def test_a_run_that_is_resumed_without_a_header_has_none(folder: Path) -> None:
    def price(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[["price"]]

    parallel(price)(SALES, output="prices.csv", name="run")
    assert Path("prices.csv").read_text().startswith("price\n")
    bare = parallel(price, append_row_dataframe_header=False)
    bare(SALES, output="prices.csv", resume="run")
    assert Path("prices.csv").read_text().splitlines() == [str(price) for price in SALES.price]


def test_a_later_call_reuses_results_unless_a_global_has_changed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(name: str, data: pd.DataFrame) -> tuple[int, int]:
        result = score.with_options(reuse=True)(data, output=f"{name}.csv", name=name)
        totals = pd.read_csv(folder / f"{name}.csv")["total"]
        assert totals.tolist() == (data.price * FACTOR).tolist()
        said = yaml.safe_load((folder / f"runs/{name}/steps/score/logs/job_result.txt").read_text())
        return said["reused"], result.mini_batches["total"]

    reused, total = call("one", SALES)
    assert (reused, total > 1) == (0, True)
    assert call("two", SALES) == (total, total)
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 4)
    assert call("three", SALES) == (0, total)


def test_a_retried_flow_of_a_function_runs_only_what_is_missing(folder: Path) -> None:
    ended: list[str] = []

    def on_completion(flow: Any, flow_run: Any, state: Any) -> None:
        ended.append(flow_run.name)

    options = {"retries": 1, "flow_run_name": "tonight", "on_completion": [on_completion]}
    SALES.to_csv("sales.csv", index=False)
    result = falters.as_flow("sales.csv", output="prices.jsonl", **options)()

    assert ended == ["tonight"]
    assert list(result) == list(range(1000))
    assert result.output == folder / "prices.jsonl"
    calls = Counter(Path("calls").read_text().split())
    assert (calls.keys(), calls["0"], calls["1"]) == (set("0123"), 1, 2)
    assert list(Path("runs").iterdir()) == [result.run_directory]
    with pytest.raises(PrefectParallelError, match="found a value of type DataFrame"):
        falters.as_flow(SALES)


def test_a_flow_of_a_function_sends_heartbeats(folder: Path, server: str) -> None:
    Path("nightly.py").write_text(
        "from prefect_parallel import parallel\n"
        "parallel(lambda numbers: numbers).as_flow([1, 2], flow_run_name='beating')()\n"
    )
    environment = {**os.environ, "PREFECT_API_URL": server}
    subprocess.run([sys.executable, "nightly.py"], env=environment, check=True, timeout=240)

    named = FlowRunFilter(name=FlowRunFilterName(any_=["beating"]))
    with get_client(sync_client=True) as api:
        (run,) = api.read_flow_runs(flow_run_filter=named)
    wait_until(lambda: heartbeats(server, run.id) >= 1)


@pytest.mark.parametrize("as_compute", [False, True])
def test_a_call_runs_on_the_cluster_that_it_is_given(folder: Path, *, as_compute: bool) -> None:
    cluster = LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0")
    with cluster, Client(cluster, set_as_default=False) as client:
        given = Compute(address=cluster.scheduler_address) if as_compute else client
        there = node.with_options(compute=given, task_run_seconds=0)
        assert set(there(SALES, name="there")) == {cluster.workers[0].pid}
        assert client.status == "running"
    step = FlowRunFilter(name=FlowRunFilterName(any_=["node"]))
    with get_client(sync_client=True) as api:
        alone = {"aggregate", *(f"mini-batch-{number}" for number in range(40))}
        # The server records task runs with a delay.
        wait_until(lambda: {run.name for run in api.read_task_runs(flow_run_filter=step)} == alone)
        # A tag costs a request for each task run, and there is no limit.
        assert not any(run.tags for run in api.read_task_runs(flow_run_filter=step))

    with pytest.raises(PrefectParallelError, match="the Dask client is closed"):
        node.with_options(compute=client)


def test_a_compute_without_a_block_is_refused(folder: Path) -> None:
    with pytest.raises(UnknownCompute, match="no Compute block is named unheard-of"):
        score.with_options(compute="unheard-of")(SALES)
    assert not list(folder.glob("runs/*"))


def test_a_concurrency_limit_of_a_compute_applies_to_mini_batches(folder: Path) -> None:
    Compute().save("licensed", overwrite=True)
    limits = {"compute:licensed": 1, "step:timed": 9, "by-hand": 9}
    with get_client(sync_client=True) as api:
        for tag, limit in limits.items():
            api.create_concurrency_limit(tag, limit)
        with tags("by-hand"):
            times = sorted(timed(range(2)))
        assert all(ended <= started for (_, ended), (started, _) in pairwise(times))

        step = FlowRunFilter(name=FlowRunFilterName(any_=["timed"]))
        task = TaskRunFilter(name=TaskRunFilterName(like_="mini-batch"))

        def found() -> list[set[str]]:
            runs = api.read_task_runs(flow_run_filter=step, task_run_filter=task)
            return [set(run.tags) for run in runs]

        wait_until(lambda: found() == [set(limits)] * 2)


def test_the_command_maps_a_function_of_a_file(folder: Path) -> None:
    (folder / "shop.py").write_text(
        "from prefect_parallel import parallel\n\n"
        "@parallel(mini_batch_size=7)\ndef double(rows):\n    return rows * 2\n"
    )
    pd.DataFrame({"n": range(100)}).to_csv("numbers.csv", index=False)
    arguments = ["map", "shop.py:double", "numbers.csv", "--output", "doubled.csv"]

    ended = command(*arguments, "--mini-batch-size", "100b")
    assert (ended.returncode, "mini_batch_size" in ended.stderr) == (2, True), ended.stderr
    assert not (folder / "runs").exists()

    ended = command(*arguments, "--mini-batch-size", "100", "--task-run-seconds", "1")
    assert ended.returncode == 0, ended.stderr
    assert pd.read_csv("doubled.csv").n.tolist() == list(range(0, 200, 2))
    ended = command(*arguments)
    assert ended.returncode == 2
    assert "doubled.csv exists already" in ended.stderr


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("return []", "work() returned 0 of 3 items"),
        ("time.sleep(60)", "work() took longer than timeout: 1 s"),
        ("os._exit(3)", "the process ended during work(): exit code 3"),
    ],
)
def test_a_failure_names_the_function_and_how_to_resume(
    folder: Path, body: str, cause: str
) -> None:
    (folder / "shop.py").write_text(f"import os, time\n\ndef work(rows):\n    {body}\n")
    pd.DataFrame({"n": range(3)}).to_csv("numbers.csv", index=False)
    timeout = 1 if "sleep" in body else 240
    settings = ("--set", "max_retries=0", "--set", f"timeout={timeout}", "--name", "monday")
    ended = command("map", "shop.py:work", "numbers.csv", *settings)
    assert ended.returncode == 1, ended.stderr
    said = ended.stdout + ended.stderr
    assert f"failed  1 mini-batch: {cause}" in said
    assert "resume  the same command with --resume monday" in said
    assert "run()" not in said
    assert "script" not in said


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("shop.py:wrok",), "shop has no wrok\n    allowed: work\n    hint: did you mean work?"),
        (("shop.py",), "shop.py: found no name"),
        ((":work",), ":work: found no module"),
        (("shop.py:work", "--set", "timeout"), "--set timeout: found no value"),
        (("shops.prices:work",), "there is no module shops.prices in"),
        (("shop.py:work", "--set", "timeout=[1"), "--set timeout=[1: the value is invalid YAML"),
    ],
)
def test_what_map_refuses(folder: Path, arguments: tuple[str, ...], error: str) -> None:
    (folder / "shop.py").write_text(
        "from pathlib import Path\n\ndef work(rows):\n    return rows\n"
    )
    name, *others = arguments
    ended = command("map", name, "numbers.csv", *others)
    assert (ended.returncode, error in ended.stderr) == (2, True), ended.stderr


AHEAD = """
import sys
from psutil import Process
from prefect_parallel import parallel

class Watcher:
    def find_spec(self, name, *_):
        if name == "prefect":
            print("processes:", len(Process().children()))

sys.meta_path.insert(0, Watcher())

def double(numbers):
    return [2 * number for number in numbers]

print(*parallel(double)([1, 2]))
"""


def test_nodes_import_prefect_beside_the_script_and_show_no_logs(folder: Path) -> None:
    (folder / "script.py").write_text(AHEAD)
    # Their level is set by variables, which processes have from their start.
    logs = {"PREFECT_LOGGING_LEVEL": "DEBUG", "PREFECT_API_URL": PREFECT_API_URL.value() or ""}
    environment = {**os.environ, **logs}
    command = [sys.executable, "script.py"]
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert (ended.stdout.splitlines()[0], ended.stdout.splitlines()[-1]) == (
        "processes: 1",
        "2 4",
    ), ended.stderr
    assert "DEBUG" not in ended.stdout + ended.stderr
