"""The summary at the end of a run."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from prefect.states import Completed
from rich.console import Console

from prefect_parallel.display.plain_display import PlainDisplay
from prefect_parallel.flow.run.step_result import Failures, StepResult


@pytest.mark.parametrize("missing", ["", "3 of 20 files are missing from the output"])
def test_a_step_that_completed_with_failures_is_yellow(missing: str) -> None:
    printed = io.StringIO()
    display = PlainDisplay(Console(file=printed, width=200, force_terminal=True, highlight=False))
    run = Path("runs/run")
    end = StepResult(
        status="Completed", reason="", summary="why", run_directory=run, report=run, missing=missing
    )
    display.step_ended("step", end)
    yellow, green = "\x1b[33mCompleted, ", "\x1b[32mCompleted\x1b[0m"
    expected = f"{yellow}{missing}\x1b[0m" if missing else green
    assert printed.getvalue() == f"{expected}  step: why\n"


def test_the_summary_says_how_many_root_causes_it_leaves_out() -> None:
    printed = io.StringIO()
    display = PlainDisplay(Console(file=printed, width=200))
    # Brackets are not markup.
    causes = [f"cause {number} [/tmp]" for number in range(22)]
    failures = tuple(Failures(2, cause, None, "repeat") for cause in causes)
    end = StepResult(
        status="Completed",
        reason="",
        summary="fine",
        run_directory=Path("runs/run"),
        report=Path("runs/run/logs/report.html"),
        failures=failures,
    )
    display.step_ended("step", end)
    display.summary(Completed(), end.run_directory, "run", end.report)
    said = printed.getvalue()
    assert said.count("failed  2 mini-batches, e.g. cause") == said.count("[/tmp]") == 5
    assert (
        "failed  34 mini-batches more, of 17 other root causes: see failed_mini_batches.jsonl"
        in said
    )
