"""The Prefect server of runs that have none configured."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from tests.e2e.conftest import heartbeats
from tests.waiting import wait_until

PIPELINE = """
type: pipeline
jobs:
  step: {type: command, command: sleep SECONDS, environment: "azureml:any:1"}
"""

SCRIPT = """
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from prefect_parallel import compile_pipeline

def run(seconds):
    job = Path(f"{seconds}.yml")
    job.write_text(PIPELINE.replace("SECONDS", str(seconds)))
    flow = compile_pipeline(job, name=f"for-{seconds}-seconds")
    return flow(return_state=True).name

with ThreadPoolExecutor() as threads:
    print(*threads.map(run, [0, 5]))
print(os.environ.get("PREFECT_API_URL"))
"""


def test_flows_in_two_threads_share_a_server_until_the_last_has_ended(tmp_path: Path) -> None:
    environment = {
        **{key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"},
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO",
    }
    ended = subprocess.run(
        [sys.executable, "-c", f"PIPELINE = {PIPELINE!r}\n{SCRIPT}"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=480,
        check=False,
    )
    assert ended.stdout.split() == ["Completed", "Completed", "None"], ended.stderr
    assert ended.stderr.count("waiting for a Prefect server for this run") == 1, ended.stderr


DELIVERING = """
import asyncio, os, sys
from prefect.events import emit_event
from prefect_parallel.flow.server.delivery import deliver_events_and_logs

async def main():
    resource = {"prefect.resource.id": f"prefect.flow-run.{sys.argv[1]}"}
    emit_event("prefect.flow-run.heartbeat", resource=resource)
    deliver_events_and_logs()
    os._exit(0)

asyncio.run(main())
"""


def test_events_are_delivered_before_the_end_of_a_process_with_an_event_loop(server: str) -> None:
    run, environment = uuid4(), {**os.environ, "PREFECT_API_URL": server}
    command = [sys.executable, "-c", DELIVERING, str(run)]
    subprocess.run(command, env=environment, check=True, timeout=240)
    wait_until(lambda: heartbeats(server, run) == 1)
