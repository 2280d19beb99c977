"""Pipelines with one parallel step, which runs a script of the test on a folder of files."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    TaskRunFilter,
    TaskRunFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.client.schemas.sorting import TaskRunSort
from prefect.settings import PREFECT_API_URL, temporary_settings
from rich.console import Console

from prefect_parallel.display.plain_display import PlainDisplay
from prefect_parallel.flow.compile import flow_of
from prefect_parallel.flow.fork_server import ForkServer
from prefect_parallel.flow.run_options import RunOptions
from prefect_parallel.job import load_pipeline
from prefect_parallel.output.part import Record
from tests.committed import committed
from tests.waiting import wait_until

COMMAND = [sys.executable, "-m", "prefect_parallel.cli"]


@dataclass
class Pipeline:
    """A pipeline in a folder of its own."""

    folder: Path
    server: str

    @property
    def file(self) -> Path:
        return self.folder / "pipeline.yml"

    @property
    def environment(self) -> dict[str, str]:
        """Environment that marks the command and all of its descendants."""
        return {**os.environ, "PREFECT_API_URL": self.server, "STARTED_BY_TEST": str(self.folder)}

    def committed(self) -> list[Record]:
        """The records of the mini-batches that have a part."""
        return committed(self.step)

    def start(self, *arguments: str, launcher: Sequence[str] = ()) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*launcher, *COMMAND, "run", str(self.file), "--name", "run", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, expect: int = 0) -> str:
        process = self.start(*arguments)
        said, _ = process.communicate(timeout=240)
        assert process.returncode == expect, said
        return said

    def call(
        self,
        *overrides: str,
        resume: bool = False,
        output_dir: Path | None = None,
        expect: str = "Completed",
        **options: Any,
    ) -> str:
        """Call the flow in this process, for half the CPU of `run`; gives what is displayed."""
        directory = (output_dir or self.folder / "runs") / "run"
        run_options = RunOptions(directory.parent, "run", resume, **options)
        said = io.StringIO()
        display = PlainDisplay(Console(file=said, highlight=False))
        # It serves all calls, and must not be taken for a process of this one.
        ForkServer.get()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("STARTED_BY_TEST", str(self.folder))
            with temporary_settings({PREFECT_API_URL: self.server}):
                flow = flow_of(load_pipeline(self.file, overrides), run_options, display)
                state: Any = flow(return_state=True)
        display.summary(state, directory, "run", None)
        assert state.name == expect, said.getvalue()
        return said.getvalue()

    def change(self, path: str, value: object) -> None:
        """Set a value in the file, e.g. at `jobs.step.task.code`; None deletes it."""
        job = yaml.safe_load(self.file.read_text())
        *parents, key = path.split(".")
        target = job
        for parent in parents:
            target = target[parent]
        if value is None:
            del target[key]
        else:
            target[key] = value
        self.file.write_text(yaml.safe_dump(job, sort_keys=False))

    @property
    def step(self) -> Path:
        return self.folder / "runs" / "run" / "steps" / "step"

    @property
    def output(self) -> Path:
        return self.step / "outputs" / "out"

    @property
    def result(self) -> dict[str, Any]:
        text = (self.step / "logs" / "job_result.txt").read_text()
        return yaml.safe_load(text)  # type: ignore[no-any-return]

    def said(self, kind: str = "stdout") -> str:
        files = sorted((self.step / "logs" / "user" / kind).rglob("*.txt"))
        return "".join(file.read_text() for file in files)

    def wait_for(self, text: str, count: int) -> None:
        """Wait until the script has printed a text so many times."""
        wait_until(lambda: self.step.exists() and self.said().count(text) >= count)

    @property
    def flow_run(self) -> UUID:
        """The flow run of the pipeline, as its newest start has written it down."""
        return UUID((self.folder / "runs/run/.flow_run").read_text())

    def flow_runs(self, started: int | None = None) -> tuple[FlowRun, FlowRun, list[TaskRun]]:
        """The flow run of the pipeline, that of its only step, and the step's task runs.

        `started` is the number of mini-batches that have task runs; None: all.
        """
        result = self.result
        aggregates = result["output"] is not None
        started = result["mini_batches"]["total"] if started is None else started
        api = {PREFECT_API_URL: self.server}
        with temporary_settings(api), get_client(sync_client=True) as client:
            parent = FlowRunFilterParentFlowRunId(any_=[self.flow_run])
            (step,) = client.read_flow_runs(
                flow_run_filter=FlowRunFilter(parent_flow_run_id=parent)
            )
            of_step = TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[step.id]))
            found: list[TaskRun] = []

            def recorded() -> bool:
                found[:] = client.read_task_runs(
                    task_run_filter=of_step, sort=TaskRunSort.NAME_ASC, limit=200
                )
                indices = {index for run in found for index in mini_batches_of(run.name)}
                return (
                    len(indices) == started
                    and (not aggregates or any(run.name == "aggregate" for run in found))
                    and all(run.state and run.state.is_final() for run in found)
                )

            # The server records task runs and their states with a delay, in any order.
            wait_until(recorded)
            return client.read_flow_run(self.flow_run), step, found

    def left_over(self) -> list[str]:
        """Command lines of processes of the run that are still alive."""
        return started_by_test(self.folder)


def started_by_test(folder: Path) -> list[str]:
    """Command lines of the processes alive whose variable STARTED_BY_TEST is a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("STARTED_BY_TEST") == str(folder):
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def mini_batches_of(task_run: str) -> range:
    """The indices of the mini-batches in the name of a task run."""
    named = re.fullmatch(r"mini-batch(?:es)?-(\d+)(?:-to-(\d+))?", task_run)
    return range(int(named[1]), int(named[2] or named[1]) + 1) if named else range(0)


def ask(server: str, path: str, **wanted: object) -> Any:
    """What the Prefect API answers, e.g. to `ask(server, "logs/filter", logs={...})`."""
    answer = httpx.post(f"{server}/{path}", json=wanted, timeout=60)
    return answer.raise_for_status().json()


def artifacts_of(server: str, flow_run: UUID) -> dict[str, Any]:
    """The data of the artifacts of a flow run, by their keys."""
    wanted = {"flow_run_id": {"any_": [str(flow_run)]}}
    return {each["key"]: each["data"] for each in ask(server, "artifacts/filter", artifacts=wanted)}


def interrupt(process: subprocess.Popen[str], until: str = "canceling  ") -> str:
    """Press Ctrl-C, and wait until the command has printed a text; gives what it has printed."""
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    process.send_signal(signal.SIGINT)
    said = b""

    def has_said() -> bool:
        nonlocal said
        # Not through the buffer of the file, so that communicate() gets the rest.
        with contextlib.suppress(BlockingIOError):
            said += os.read(process.stdout.fileno(), 65536)
        return until.encode() in said

    wait_until(has_said)
    os.set_blocking(process.stdout.fileno(), True)
    return said.decode()


def heartbeats(server: str, flow_run: UUID) -> int:
    """The number of heartbeats of a flow run, by which a server notices that it has crashed."""
    resource = {"id": [f"prefect.flow-run.{flow_run}"]}
    events = {"event": {"name": ["prefect.flow-run.heartbeat"]}, "resource": resource}
    return int(ask(server, "events/filter", filter=events)["total"])


def nodes_of(driver: int) -> list[psutil.Process]:
    """The processes of nodes: forks of the fork server, which is a fork of the driver."""
    process = psutil.Process(driver)
    command = process.cmdline()
    return [
        node
        for template in process.children()
        for node in template.children()
        if node.cmdline() == command
    ]


def write_pipeline(
    root: Path, server: str, script: str, *, files: int = 4, arguments: str = "", **keys: Any
) -> Pipeline:
    """A pipeline in a folder below `root` with one step and a mini-batch per file."""
    folder = root / "a folder, 'quoted' ü"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "script.py").write_text(textwrap.dedent(script))
    (folder / "data").mkdir()
    for number in range(files):
        (folder / "data" / f"{number:03d}.txt").write_text("")
    step = {
        "type": "parallel",
        "inputs": {"files": {"type": "uri_folder", "path": "./data"}},
        "outputs": {"out": {"type": "uri_file"}},
        "input_data": "${{inputs.files}}",
        "mini_batch_size": "1",
        "resources": {"instance_count": 1},
        "max_concurrency_per_instance": 2,
        "retry_settings": {"max_retries": 0, "timeout": 300},
        "task": {
            "type": "run_function",
            "code": "./code",
            "entry_script": "script.py",
            "environment": "azureml:any:1",
            "program_arguments": arguments,
            "append_row_to": "${{outputs.out}}",
        },
        **keys,
    }
    tags = {"owner": "tests"}
    job = {"type": "pipeline", "display_name": "a test", "tags": tags, "jobs": {"step": step}}
    (folder / "pipeline.yml").write_text(yaml.safe_dump(job, sort_keys=False))
    return Pipeline(folder, server)


@pytest.fixture
def pipeline(tmp_path: Path, server: str) -> Any:
    """Factory of pipelines: `pipeline(script, files=4, retry_settings={...})`."""
    return functools.partial(write_pipeline, tmp_path, server)
