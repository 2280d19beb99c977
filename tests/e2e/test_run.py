"""`prefect-parallel run`, with scripts that work, fail, crash or hang."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Pipeline, artifacts_of, ask, heartbeats
from tests.waiting import wait_until
from tools.reference.run_directory import log_files, run_files, step_files

ECHO = """
    import os
    def init():
        print("init", os.getpid())
        print("variables", os.environ["AZUREML_RUN_ID"], os.environ["AZUREML_ROOT_RUN_ID"])
    def run(mini_batch): return [os.path.basename(path) for path in mini_batch]
    def shutdown(): print("shutdown", os.getpid())
"""


def is_told_of(path: str) -> bool:
    """Whether the reference has a file of a run, itself or by the folder that it is in."""
    names = [
        *run_files(),
        *(f"steps/<step>/{name}" for name in step_files()),
        *(f"steps/<step>/logs/{name}" for name in log_files()),
    ]
    patterns = [re.sub(r"<\w+>", "[^/]+", re.escape(name)) for name in names]
    return any(re.fullmatch(f"{each}.*" if each[-1] == "/" else each, path) for each in patterns)


def test_the_plan_is_a_file(pipeline: Any, tmp_path: Path) -> None:
    it: Pipeline = pipeline(ECHO, mini_batch_size="2", files=5)
    it.call()

    def planned() -> list[dict[str, Any]]:
        return [json.loads(line) for line in (it.step / "plan.jsonl").read_text().splitlines()]

    first = planned()
    names = [[Path(piece[0]).name for piece in line["mini_batch"]["pieces"]] for line in first]
    assert names == [["000.txt", "001.txt"], ["002.txt", "003.txt"], ["004.txt"]]
    for line, record in zip(first, it.committed(), strict=True):
        assert (record.index, record.data) == (
            line["mini_batch"]["index"],
            line["fingerprint"],
        )

    # Planned anew: a file that has changed, and one more.
    (it.folder / "data" / "002.txt").write_text("changed")
    (it.folder / "data" / "005.txt").touch()
    said = it.call(resume=True)
    assert "1 of 3 mini-batches are reused; 2 have other data" in said
    again = planned()
    assert [one == other for one, other in zip(first, again, strict=True)] == [True, False, False]
    assert it.output.read_text().split() == [f"00{number}.txt" for number in range(6)]


def test_a_run_leaves_what_is_promised_and_shows_in_the_ui(pipeline: Any, server: str) -> None:
    it: Pipeline = pipeline(ECHO, arguments="--copy_logs_to_parent True")
    said = it.run()
    assert "Completed  step: 4 of 4 mini-batches succeeded" in said
    assert "runs/run/steps/step/logs/job_result.txt" in said
    assert it.output.read_text() == "000.txt\n001.txt\n002.txt\n003.txt\n"
    result = it.result
    assert result["status"] == "Completed"
    assert result["mini_batches"] == {"total": 4, "succeeded": 4, "failed": 0, "retried": 0}
    assert result["items"] == {"total": 4, "succeeded": 4, "failed": 0}
    assert Path(result["output"]) == it.output
    left = {
        str(path.relative_to(it.step.parents[1]))
        for path in it.step.parents[1].rglob("*")
        if path.is_file() and "parts" not in path.parts and "process001" not in path.name
    }
    logs = {
        path.removeprefix("steps/step/logs/")
        for path in left
        if path.startswith("steps/step/logs/")
    }
    assert {re.sub(r"\.\d{8}\.", ".<day>.", path) for path in logs} == {
        "job_result.txt",
        "readme.txt",
        "job_progress_overview.<day>.txt",
        "failed_mini_batches.jsonl",
        "user/stdout/node-0/process000.stdout.txt",
        "user/stderr/node-0/process000.stderr.txt",
        "user/entry_script_log/node-0/process000.log.txt",
        "sys/node/node-0/process000.txt",
        "sys/node/node-0/startup.csv",
        "sys/node/node-0/ends.csv",
        "sys/perf/node-0/node_resource_usage.csv",
        "sys/perf/node-0/processes_resource_usage.csv",
        "sys/job.txt",
        "sys/job_report/processed_mini-batches.csv",
        "sys/job_report/process_summary.csv",
        "sys/job_report/node_summary.csv",
    }
    assert {"job.yml", "steps/step/outputs/out", "steps/step/code/script.py"} <= left
    assert {f"logs/step/{path}" for path in logs} <= left
    assert [path for path in left if not is_told_of(path)] == []
    readme = (it.step / "logs" / "readme.txt").read_text()
    assert "sys/node/<node>/<process>.txt" in readme
    assert "user/error.txt" not in readme
    lines = it.said().splitlines()
    assert {line for line in lines if line.startswith("shutdown")} == {
        line.replace("init", "shutdown") for line in lines if line.startswith("init")
    }
    assert "variables run_step run" in lines
    assert it.left_over() == []

    run, step, of_step = it.flow_runs()
    wait_until(lambda: heartbeats(server, run.id) > 0)
    assert heartbeats(server, step.id) == 0
    assert (run.name, run.state_name, step.name, step.state_name) == (
        "run", "Completed", "step", "Completed",
    )  # fmt: skip
    assert run.tags == ["owner:tests"]
    assert sorted((each.name, each.state_name) for each in of_step) == [
        ("aggregate", "Completed"),
        *((f"mini-batch-{number}", "Completed") for number in range(4)),
    ]


def test_the_step_s_page_shows_settings_progress_result_and_metrics(
    pipeline: Any, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it: Pipeline = pipeline(
        """
        def init(): pass
        def run(mini_batch): return mini_batch if "002" not in mini_batch[0] else 1 / 0
        """,
        arguments="--allowed_failed_percent 30 --metrics_name_prefix pics_"
        " --push_metrics_to_parent True",
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlflow").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    it.run("--set", "jobs.step.retry_settings.timeout=7")
    run, step, _ = it.flow_runs()
    of_parent = artifacts_of(server, run.id)
    assert of_parent.keys() == {"a-test-step-metrics", "a-test-result"}
    assert (
        f"/runs/flow-run/{step.id}) | Completed | 3 of 4 | 3 of 4 |" in of_parent["a-test-result"]
    )
    metrics = {row["metric"]: row["value"] for row in json.loads(of_parent["a-test-step-metrics"])}
    assert metrics["pics_mini_batches_failed"] == 1
    (logged,) = (tmp_path / "mlflow").rglob("metrics/pics_items_succeeded")
    assert logged.read_text().split()[1] == "3.0"
    of_step = {"flow_run_id": {"any_": [str(step.id)]}}
    lines = [line["message"] for line in ask(server, "logs/filter", logs=of_step)]
    assert "planned 4 mini-batches for 1 node x 2 slots" in lines
    assert "failed: 1 mini-batch: ZeroDivisionError: division by zero" in lines
    assert f"output: {it.output}" in lines
    artifacts = artifacts_of(server, step.id)
    assert artifacts.keys() == {
        "a-test-step-metrics", "a-test-step-progress", "a-test-step-result", "a-test-step-settings",
    }  # fmt: skip
    assert artifacts["a-test-step-progress"] == 100
    settings = {row["setting"]: row for row in json.loads(artifacts["a-test-step-settings"])}
    assert settings["timeout"] == {"setting": "timeout", "value": "7", "from": "override"}
    assert settings["max_retries"]["from"] == "YAML"
    assert settings["allowed_failed_percent"]["from"] == "program argument"
    assert settings["logging_level"] == {
        "setting": "logging_level", "value": "INFO", "from": "default"
    }  # fmt: skip
    result = artifacts["a-test-step-result"]
    assert "1 of 4 mini-batches failed and was ignored" in result
    assert "| 1 | `ZeroDivisionError: division by zero` |" in result
    assert "# ZeroDivisionError: division by zero\nprefect-parallel debug" in result
    assert "| 2 | `002.txt` | `ZeroDivisionError: division by zero` |" in result
    assert "| `allowed_failed_percent` | 30 | 25 % of mini-batches |" in result
    slowest = result.split("## Slowest mini-batches")[1].split("##")[0]
    assert slowest.count("| node-0 process00") == 4
    assert "status: Completed" in result


def test_scripts_that_hang_crash_print_and_fork(pipeline: Any, server: str) -> None:
    it: Pipeline = pipeline(
        """
        import os, subprocess, sys, time
        def init(): pass
        def run(mini_batch):
            name = os.path.basename(mini_batch[0])
            if name == "000.txt":
                time.sleep(600)
            if name == "001.txt":
                os._exit(3)
            if name == "002.txt":
                print("x" * 5_000_000)
            if name == "003.txt":
                subprocess.Popen(["setsid", "sleep", "600"])
            if name == "004.txt" and not os.path.exists("seen"):
                open("seen", "w").close()
                raise ValueError("only once")
            return [name]
        """,
        files=7,
        retry_settings={"max_retries": 1, "timeout": 10},
    )
    said = it.call()
    assert (
        "Completed, 2 of 7 files are missing from the output  step: 2 of 7 mini-batches failed and"
        " were ignored, within the thresholds"
    ) in said
    assert it.output.read_text() == "".join(f"00{number}.txt\n" for number in range(2, 7))
    assert it.result["status"] == "Completed"
    assert it.result["mini_batches"] == {"total": 7, "succeeded": 5, "failed": 2, "retried": 3}
    assert it.result["items"] == {"total": 7, "succeeded": 5, "failed": 2}
    assert "failed  1 mini-batch: the process ended during run(): exit code 3" in said
    assert said.count("reproduce: prefect-parallel debug") == 2
    assert it.said().count("x") == 5_000_000
    failed = [
        json.loads(line)
        for line in (it.step / "logs" / "failed_mini_batches.jsonl").read_text().splitlines()
    ]
    assert [(each["mini_batch"], each["attempts"], each["error"]) for each in failed] == [
        (0, 2, "run() took longer than retry_settings.timeout: 10 s"),
        (1, 2, "the process ended during run(): exit code 3"),
    ]
    wait_until(lambda: it.left_over() == [])

    _, step, of_step = it.flow_runs()
    assert step.state_name == "Completed"
    assert step.state is not None
    assert "2 of 7 mini-batches failed and were ignored" in (step.state.message or "")
    states = {each.name: (each.state_name, each.run_count) for each in of_step}
    assert states["mini-batch-0"] == ("Failed", 2)
    assert states["mini-batch-4"] == ("Completed", 2)
    assert states["mini-batch-5"] == ("Completed", 1)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"mini_batch_error_threshold": 1}, "2 mini-batches failed, more than mini_batch_error"),
        # The other one may fail at the same moment.
        ({"error_threshold": 0}, r"(1 item|2 items) failed, more than error_threshold: 0"),
        (
            {"arguments": "--allowed_failed_percent 10"},
            "2 of 12 mini-batches failed, more than allowed_failed_percent: 10",
        ),
    ],
)
def test_a_threshold_ends_the_step_at_once(
    pipeline: Any, keys: dict[str, Any], reason: str
) -> None:
    it: Pipeline = pipeline(
        """
        import os, time
        def init(): pass
        def run(mini_batch):
            if os.path.basename(mini_batch[0]) in ("000.txt", "001.txt"):
                raise ValueError("no good")
            time.sleep(600)
        """,
        files=12,
        retry_settings={"max_retries": 0, "timeout": 600},
        **keys,
    )
    said = it.call(expect="Failed")
    assert re.search(f"Failed  step: {reason}", said)
    assert said.count("ValueError: no good") in (1, 2), "when it occurs, and in the result"
    assert "resume  the same command with --resume run" in said
    assert "; the first failure: ValueError: no good" in it.result["reason"]
    assert it.result["status"] == "Failed"
    assert it.result["output"] is None
    traceback = it.step / it.result["reason"].rsplit("full traceback: ")[1].strip(")")
    assert "ValueError: no good" in traceback.read_text()
    assert not it.output.exists()
    wait_until(lambda: it.left_over() == [])


def test_sigterm_cancels_the_run_cleanly(pipeline: Any) -> None:
    it: Pipeline = pipeline("""
        import subprocess, time
        def init(): print(subprocess.Popen(["setsid", "sleep", "600"]).pid)
        def run(mini_batch): time.sleep(600)
    """)
    process = it.start()
    wait_until(lambda: it.step.exists() and len(it.said().split()) == 2)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 1, said
    assert "canceling  running mini-batches and commands have 5 s to finish\n" in said
    assert "Canceled  step: the run was canceled" in said
    assert it.result["status"] == "Canceled"
    assert it.left_over() == []


def test_nothing_survives_a_killed_driver(pipeline: Any) -> None:
    it: Pipeline = pipeline("""
        import os, subprocess, time
        def init():
            subprocess.Popen(["setsid", "sleep", "600"])
            if os.fork() == 0:
                os.setsid()
                time.sleep(600)
        def run(mini_batch):
            print("running")
            time.sleep(600)
    """)
    process = it.start()
    it.wait_for("running", 2)
    assert len(it.left_over()) > 5
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: it.left_over() == [])
    process.communicate()


def test_a_script_that_cannot_be_imported_ends_with_its_cause(pipeline: Any) -> None:
    it: Pipeline = pipeline("""
        import no_such_module
        def init(): pass
        def run(mini_batch): return mini_batch
    """)
    said = it.call(expect="Failed")
    assert "ModuleNotFoundError: No module named 'no_such_module'" in said
    assert "Traceback" not in said
    assert it.result["status"] == "Failed"
    assert it.result["reason"] in (it.step / "logs" / "job_error.txt").read_text()
    assert "no_such_module" in it.result["reason"]


def test_mixed_returns_are_an_error_that_names_the_mini_batches(pipeline: Any) -> None:
    it: Pipeline = pipeline("""
        import pandas
        def init(): pass
        def run(mini_batch):
            return mini_batch if "002" in mini_batch[0] else pandas.DataFrame({"a": [1]})
    """)
    said = it.call(expect="Failed")
    assert "mini-batch 2: a list" in said
    # The step ends as soon as two do not fit.
    assert re.search(r"mini-batch(es)? [013](, [13])*: a DataFrame", said)
    assert not it.output.exists()


def test_two_runs_of_one_name_and_a_place_that_cannot_be_written(pipeline: Any) -> None:
    it: Pipeline = pipeline(ECHO)
    it.run()
    assert "exists already; choose another name" in it.run(expect=2)
    too_long = it.run("--resume", "n" * 300, expect=2)
    assert "File name too long; choose another name" in too_long
    assert "is not a folder" in it.run("--output-dir", "pipeline.yml/below", expect=2)


def test_what_a_script_prints_is_in_its_task_run_s_log_up_to_a_limit(
    pipeline: Any, server: str
) -> None:
    it: Pipeline = pipeline(
        """
        import os
        def init(): print("loaded")
        def run(mini_batch):
            print("scoring", os.path.basename(mini_batch[0]))
            if "001" in mini_batch[0]:
                print("x" * 100_000)
            return mini_batch
        """,
        files=2,
        max_concurrency_per_instance=1,
    )
    it.call()
    _, _, of_step = it.flow_runs()
    ids = {run.name: str(run.id) for run in of_step}

    def logged(name: str) -> str:
        of_run = {"task_run_id": {"any_": [ids[name]]}}
        return "".join(each["message"] for each in ask(server, "logs/filter", logs=of_run))

    wait_until(lambda: all("Finished in state" in logged(name) for name in ids))
    assert "loaded\nscoring 000.txt" in logged("mini-batch-0")
    long = logged("mini-batch-1")
    assert "scoring 001.txt\nxxx" in long
    assert "more bytes in logs/user/stdout/node-0/process000.stdout.txt]" in long
    assert len(long) < 11_000
