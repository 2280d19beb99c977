"""Command jobs: a pipeline of one step, with `./outputs` kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_parallel import PipelineFailed, compile_pipeline
from prefect_parallel.errors import InvalidPipeline
from prefect_parallel.job import CommandStep, Literal, load_pipeline, resolve

JOB = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
display_name: train
description: of a model
tags: {team: sales}
experiment_name: training
code: ./src
command: cat tool.txt ${{inputs.texts}}/* > outputs/${{inputs.label}}.txt; ls > ${{outputs.list}}
inputs:
  label: red
  texts: {type: uri_folder, path: ./texts}
outputs:
  list: {type: uri_file, path: ./published/list.txt}
environment: azureml:any:1
compute: azureml:local
resources: {instance_count: 1}
limits: {timeout: 60}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    for name, text in {"job.yml": JOB, "src/tool.txt": "tool\n", "texts/a.txt": "a\n"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "job.yml"


def test_it_is_a_pipeline_of_one_step(file: Path) -> None:
    job = load_pipeline(file, ["inputs.label=blue", "limits.timeout=9"])
    assert [(each.name, each.default) for each in job.parameters] == [
        ("label", "blue"),
        ("texts", "./texts"),
    ]
    resolved = resolve(job, {"label": "green"})
    (step,) = resolved.steps.values()
    assert isinstance(step, CommandStep)
    assert (resolved.display_name, resolved.tags, step.name) == (
        "train",
        {"team": "sales"},
        "command",
    )
    assert step.inputs["label"] == Literal("green", "string")
    assert (step.timeout, step.code) == (9, file.parent / "src")
    with pytest.raises(InvalidPipeline) as caught:
        load_pipeline(file, ["limits.timeout=x"])
    assert caught.value.problems[0].file == "--set limits.timeout=x"
    file.write_text(JOB.replace("limits:", "limit:"))
    with pytest.raises(InvalidPipeline) as caught:
        load_pipeline(file)
    (problem,) = caught.value.problems
    assert (problem.line, problem.hint) == (16, "did you mean limits?")


def test_what_it_leaves_in_outputs_is_kept(file: Path, server: str) -> None:
    (file.parent / "src/outputs").mkdir()
    (file.parent / "src/outputs/of code.txt").touch()

    def run(source: Path, name: str) -> dict[str, Path | str]:
        with temporary_settings({PREFECT_API_URL: server}):
            compiled = compile_pipeline(source, output_dir=file.parent / "runs", name=name)
            return dict(compiled().steps["command"].outputs)

    outputs = run(file, "first")
    kept = file.parent / "runs/first/steps/command/outputs/artifacts"
    assert outputs["artifacts"] == kept
    assert (kept / "red.txt").read_text() == "tool\na\n"
    assert (kept / "of code.txt").exists()
    assert (file.parent / "published/list.txt").read_text() == "outputs\ntool.txt\n"
    # Those of a pipeline's step can be read by another one.
    steps = {
        "command": {"command": "echo x > outputs/x.txt", "environment": "azureml:any:1"},
        "reads": {
            "command": "cat ${{inputs.found}}/x.txt; test ! -e outputs/x.txt; exit 3",
            "inputs": {"found": "${{parent.jobs.command.outputs.artifacts}}"},
            "environment": "azureml:any:1",
        },
    }
    pipeline = file.with_name("pipeline.yml")
    pipeline.write_text(yaml.safe_dump({"type": "pipeline", "jobs": steps}))
    with pytest.raises(PipelineFailed) as failed:
        run(pipeline, "second")
    directory = file.parent / "runs/second/steps"
    assert failed.value.result.steps["reads"].reason.endswith("its last output:\nx")
    # An empty folder is not kept.
    assert not (directory / "reads/outputs/artifacts").exists()


def test_a_command_without_code_runs_again_in_an_empty_folder(file: Path, server: str) -> None:
    step = {
        "command": "ls > ${{outputs.found}}; echo x > outputs/x.txt; test -e ${{inputs.ready}}",
        "inputs": {"ready": str(file.parent / "ready")},
        "outputs": {"found": {"type": "uri_file"}},
        "environment": "azureml:any:1",
    }
    file.write_text(yaml.safe_dump({"type": "pipeline", "jobs": {"step": step}}))

    def run(*, resume: bool) -> dict[str, Path | str]:
        runs = file.parent / "runs"
        with temporary_settings({PREFECT_API_URL: server}):
            compiled = compile_pipeline(file, output_dir=runs, name="run", resume=resume)
            return dict(compiled().steps["step"].outputs)

    with pytest.raises(PipelineFailed):
        run(resume=False)
    (file.parent / "ready").touch()
    outputs = run(resume=True)
    assert Path(outputs["artifacts"], "x.txt").exists()
    assert Path(outputs["found"]).read_text() == "outputs\n"
