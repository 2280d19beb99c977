"""The summary at the end of a run."""

from __future__ import annotations

import io
from pathlib import Path

from prefect.states import Completed
from rich.console import Console

from prefect_parallel.display import PlainDisplay
from prefect_parallel.flow.run.step_result import Failures, StepResult


def test_the_summary_says_how_many_root_causes_it_leaves_out() -> None:
    printed = io.StringIO()
    display = PlainDisplay(Console(file=printed, width=200))
    failures = tuple(
        Failures(f"cause {number}", 2, f"cause {number}", "repeat") for number in range(22)
    )
    end = StepResult(
        status="Completed",
        reason="fine",
        run_directory=Path("runs/run"),
        report=Path("runs/run/logs/report.html"),
        failures=failures,
    )
    display.step_ended("step", end)
    display.summary(Completed(), end.run_directory, end.report)
    said = printed.getvalue()
    assert said.count("failed  2 x cause") == 5
    assert "failed  34 more, of 17 other root causes: see failed_mini_batches.jsonl" in said
