"""Nested pipelines: subflows of subflows, folders in folders, and resuming through them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_parallel import PipelineFailed, PipelineResult, compile_pipeline
from prefect_parallel.cli.app import app
from prefect_parallel.errors import InvalidInput
from tests.nested_pipelines import write_pipeline

ORDER = [
    *("prepare", "prepare.look", "prepare.score"),
    *("outer", "outer.inner", "outer.inner.copy", "last"),
]


def run(
    folder: Path, server: str, *overrides: str, name: str = "run", reuse: bool = False
) -> PipelineResult:
    with temporary_settings({PREFECT_API_URL: server}):
        compiled = compile_pipeline(
            folder / "pipeline.yml",
            overrides=overrides,
            output_dir=folder / "runs",
            name=name,
            resume=(folder / "runs" / name).exists(),
            reuse=reuse,
        )
        result = compiled()
    assert isinstance(result, PipelineResult)
    return result


def flow_runs(folder: Path, server: str) -> dict[str, list[str]]:
    """The names of the subflows of each flow run of the pipeline's newest start."""
    found: dict[str, list[str]] = {}
    with temporary_settings({PREFECT_API_URL: server}), get_client(sync_client=True) as client:
        level = [("", (folder / "runs/run/.flow_run").read_text())]
        while level:
            name, run_id = level.pop()
            parent = FlowRunFilterParentFlowRunId(any_=[run_id])
            below = client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))
            level += [(each.name, str(each.id)) for each in below]
            if below:
                found[name] = sorted(each.name for each in below)
    return found


def test_subflows_and_folders_are_nested_and_resumed(
    tmp_path: Path, server: str, capfd: pytest.CaptureFixture[str]
) -> None:
    write_pipeline(tmp_path)
    fails = "jobs.outer.jobs.inner.jobs.copy.command=echo broken && exit 3"
    with pytest.raises(PipelineFailed) as failed:
        run(tmp_path, server, fails)
    assert str(failed.value).startswith("step outer.inner.copy: the command ended with")
    ended = {name: step.status for name, step in failed.value.result.steps.items()}
    assert ended == dict.fromkeys(ORDER[:3], "Completed") | dict.fromkeys(ORDER[3:6], "Failed")
    assert failed.value.result.steps["outer"].reason == "1 step failed: outer.inner.copy"
    # The override is in the job file, from which `debug` and `--resume` read it.
    job_file = yaml.safe_load((tmp_path / "runs/run/job.yml").read_text())
    assert "exit 3" in str(job_file["jobs"]["outer"])

    logs = ["logs", "run", "--step", "outer.inner.copy", "--output-dir", str(tmp_path / "runs")]
    app(logs, result_action="return_value")
    assert "broken" in capfd.readouterr().out
    debug = ["debug", "run", "--step", "prepare.score", "--no-pdb"]
    debug += ["--output-dir", str(tmp_path / "runs")]
    app([*debug, "--mini-batch", "1"], result_action="return_value")
    assert "['b.txt']" in capfd.readouterr().out
    with pytest.raises(InvalidInput, match="no mini-batch -1"):
        app([*debug, "--mini-batch=-1"], result_action="return_value")

    result = run(tmp_path, server)
    assert list(result.steps) == ORDER
    assert result.steps["prepare.look"].reason == "completed in an earlier run"
    assert result.steps["prepare"].reason == "2 steps completed"
    steps = tmp_path / "runs/run/steps"
    assert (steps / "prepare/steps/score/outputs/names").exists()
    assert result.outputs == {"names": tmp_path / "published/names.txt"}
    assert result.steps["outer"].outputs == {
        "copy": steps / "outer/steps/inner/steps/copy/outputs/copy"
    }
    assert (tmp_path / "published/names.txt").read_text() == "a.txt\nb.txt\n"
    text = (steps / "last/logs/std_log.txt").read_text()
    assert text == "a.txt\nb.txt\na.txt\nb.txt\n7\n"
    assert flow_runs(tmp_path, server) == {
        "": ["last", "outer", "prepare"],
        "prepare": ["prepare.look", "prepare.score"],
        "outer": ["outer.inner"],
        "outer.inner": ["outer.inner.copy"],
    }
    report = (tmp_path / "runs/run/logs/report.html").read_text()
    assert "prepare.score" in report
    assert "Did not run" not in report


def test_steps_of_nested_pipelines_are_reused(tmp_path: Path, server: str) -> None:
    write_pipeline(tmp_path)
    run(tmp_path, server, name="one", reuse=True)
    result = run(tmp_path, server, name="two", reuse=True)
    ran = {"prepare", "outer", "outer.inner", "prepare.score", "last"}  # `last` has no output.
    assert {name for name, step in result.steps.items() if step.reason != "reused from one"} == ran
    score = yaml.safe_load(
        (tmp_path / "runs/two/steps/prepare/steps/score/logs/job_result.txt").read_text()
    )
    assert score["reuse"] == "2 of 2 mini-batches are reused from one"
