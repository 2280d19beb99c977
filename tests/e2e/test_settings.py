"""The settings that apply, as users see them after a run: artifact, result page, report."""

from __future__ import annotations

import json
from typing import Any

import httpx
import yaml

from tests.e2e.conftest import Pipeline

COMPONENT = {
    "type": "parallel",
    "inputs": {"files": {"type": "uri_folder"}},
    "outputs": {"out": {"type": "uri_file"}},
    "input_data": "${{inputs.files}}",
    "mini_batch_size": "4",
    "mini_batch_error_threshold": 6,
    "error_threshold": 7,
    "max_concurrency_per_instance": 2,
    "retry_settings": {"max_retries": 5},
    "resources": {"instance_count": 2},
}


def artifact(server: str, key: str) -> Any:
    wanted = {"artifacts": {"key": {"any_": [key]}}}
    (found,) = httpx.post(f"{server}/artifacts/filter", json=wanted, timeout=60).json()
    return found["data"]


def test_the_settings_of_steps_by_a_component(pipeline: Any, server: str) -> None:
    it: Pipeline = pipeline("def init(): pass\ndef run(mini_batch): return mini_batch")
    task = yaml.safe_load(it.file.read_text())["jobs"]["step"]["task"]
    component = {
        **COMPONENT,
        "task": {**task, "program_arguments": "--resource_monitor_interval 0"},
    }
    (it.folder / "part.yml").write_text(yaml.safe_dump(component))
    step = {
        "type": "parallel",
        "component": "./part.yml",
        "inputs": {"files": {"type": "uri_folder", "path": "./data"}},
    }
    own_task = {**task, "program_arguments": "--allowed_failed_count 3"}
    del own_task["append_row_to"]
    it.change(
        "jobs",
        {
            "inheriting": {
                **step,
                "retry_settings": {},
                "resources": {},
                "mini_batch_size": "0",
                "mini_batch_error_threshold": 0,
                "error_threshold": 0,
            },
            "owning": {**step, "task": own_task, "retry_settings": {"timeout": 30}},
        },
    )
    said = it.call("jobs.owning.instance_count=1")
    assert "warning  " in said
    assert "jobs.owning.task.program_arguments: --allowed_failed_count has no effect here" in said

    def shown(step: str) -> dict[str, tuple[str, str]]:
        rows = json.loads(artifact(server, f"a-test-{step}-settings"))
        return {row["setting"]: (row["value"], row["from"]) for row in rows}

    expected = {
        "max_retries": ("5", "component"),
        "timeout": ("60", "default"),
        "instance_count": ("1", "default"),
        "mini_batch_size": ("4", "component"),
        "mini_batch_error_threshold": ("6", "component"),
        "error_threshold": ("0", "YAML"),
        "max_concurrency_per_instance": ("2", "component"),
        "resource_monitor_interval": ("0", "program argument"),
        "entry_script": ("script.py", "component"),
    }
    inheriting = shown("inheriting")
    assert {name: inheriting[name] for name in expected} == expected
    expected = {
        "max_retries": ("2", "default"),
        "timeout": ("30", "YAML"),
        "instance_count": ("1", "override"),
        "error_threshold": ("7", "component"),
        "resource_monitor_interval": ("600", "default"),
        "entry_script": ("script.py", "YAML"),
        "append_row_to": ("None", "default"),
    }
    owning = shown("owning")
    assert {name: owning[name] for name in expected} == expected

    page = artifact(server, "a-test-inheriting-result")
    assert "| `mini_batch_error_threshold` | 6 | 0 mini-batches |" in page
    assert "| `error_threshold` | 0 | 0 items |" in page
    report = (it.folder / "runs/run/logs/report.html").read_text()
    assert "mini_batch_error_threshold: 6, error_threshold: 0" in report
    assert "mini_batch_error_threshold: 6, error_threshold: 7" in report
