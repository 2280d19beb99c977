"""A search for results of earlier runs takes time in proportion to the number of runs."""

from __future__ import annotations

import os
import time
from hashlib import sha256
from pathlib import Path

from prefect_parallel.flow.run_directories.earlier_runs import EarlierRuns
from prefect_parallel.flow.run_directories.runs import Runs
from prefect_parallel.flow.steps.earlier_steps import Wanted, earlier_steps, only_look
from prefect_parallel.flow.steps.step_fingerprint import StepFingerprint
from prefect_parallel.layout import RunDirectory

OURS = StepFingerprint("a test", "out", {"code": {"script.py": "1"}}, {"python": "3"})
MINI_BATCHES = 1000


def write_runs(folder: Path, count: int) -> None:
    """Runs with the same plan, of which no mini-batch is wanted."""
    plan = folder / "plan.jsonl"
    folder.mkdir()
    with plan.open("w") as lines:
        for index in range(MINI_BATCHES):
            data = sha256(str(index).encode()).hexdigest()
            lines.write(f'{{"fingerprint": "{data}", "mini_batch": {{"index": {index}}}}}\n')
    for number in range(count):
        run = RunDirectory(folder / f"run{number}")
        step = run.step("step")
        step.root.mkdir(parents=True)
        run.job_file.touch()
        os.link(plan, step.plan)
        OURS.write(step.fingerprints)


def seconds(folder: Path) -> float:
    """The CPU time of a search through all runs that finds nothing."""
    wanted = Wanted()
    for index in range(MINI_BATCHES):
        wanted.add(sha256(f"new {index}".encode()).hexdigest(), index)
    started = time.process_time()
    steps = list(earlier_steps(EarlierRuns.of(Runs.at(folder)), "step", "a test"))
    found = list(wanted.take(steps, OURS, RunDirectory(folder).step("step"), only_look))
    taken = time.process_time() - started
    assert len(steps) == len(list(folder.iterdir())) - 1
    assert found == []
    return taken


def test_the_time_is_proportional_to_the_number_of_runs(tmp_path: Path) -> None:
    write_runs(tmp_path / "some", 100)
    write_runs(tmp_path / "many", 1000)
    assert min(seconds(tmp_path / "many") for _ in range(2)) < 20 * min(
        seconds(tmp_path / "some") for _ in range(2)
    )
