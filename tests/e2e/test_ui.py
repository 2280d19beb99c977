"""The Prefect UI in a browser shows the cause of failures."""

from __future__ import annotations

from typing import Any

from tests.browser import BROWSER_SECONDS
from tests.e2e.conftest import Pipeline, ask
from tests.waiting import wait_until


def test_the_ui_shows_the_run_its_mini_batches_and_the_cause_of_failures(
    pipeline: Any, server: str, browser: Any
) -> None:
    it: Pipeline = pipeline("""
        import os
        def init(): pass
        def run(mini_batch):
            if "002" in mini_batch[0]:
                raise ValueError("this picture is upside down")
            return mini_batch
    """)
    it.call()
    _, step, of_step = it.flow_runs()
    page = browser.new_context(viewport={"width": 1300, "height": 1000}).new_page()
    page.set_default_timeout(BROWSER_SECONDS * 1000)
    page.goto(f"{server.removesuffix('/api')}/runs/flow-run/{step.id}")

    page.get_by_text("Task Runs", exact=True).last.click()
    for run in of_step:
        page.get_by_text(run.name, exact=True).last.wait_for()
    page.get_by_text("Artifacts", exact=True).last.click()
    for key in ("a-test-step-settings", "a-test-step-progress"):
        page.get_by_text(key, exact=True).last.wait_for()
    page.get_by_text("4 of 4 mini-batches done, 1 failed").wait_for()
    page.get_by_text("a-test-step-result", exact=True).last.click()
    page.get_by_text("ValueError: this picture is upside down").last.wait_for()
    page.get_by_text("prefect-parallel debug").wait_for()

    it.call("jobs.step.mini_batch_error_threshold=0", resume=True, expect="Failed")
    # The page of a flow run that has ended does not look for more logs.
    logs = {"flow_run_id": {"any_": [str(it.flow_run)]}}
    wait_until(lambda: "Finished in state Failed" in str(ask(server, "logs/filter", logs=logs)))
    page.goto(f"{server.removesuffix('/api')}/runs/flow-run/{it.flow_run}")
    page.get_by_text("step step: Failed: 1 mini-batch failed").wait_for()
    page.get_by_text("reproduce: prefect-parallel debug").wait_for()
    page.get_by_text("Finished in state Failed").wait_for()
    assert page.get_by_text("flow_engine.py").count() == 0, "frames of Prefect"
    page.get_by_text("Artifacts", exact=True).last.click()
    page.get_by_text("a-test-result", exact=True).last.click()
    page.get_by_text("Failed mini-batches", exact=True).wait_for()
