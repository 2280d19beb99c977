"""The stand-ins for azure-ai-ml: cells of a notebook, with other import lines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from prefect_parallel import PipelineFailed
from prefect_parallel.azure import MLClient, UnknownJob, load_component, load_job, pipeline
from prefect_parallel.errors import InvalidPipeline

# As a user of Azure writes them; only the import lines are changed.
CELLS = """\
from azure.identity import DefaultAzureCredential, InteractiveBrowserCredential
from azure.ai.ml import Input, MLClient, Output, load_component
from azure.ai.ml.constants import AssetTypes, InputOutputModes
from azure.ai.ml.dsl import pipeline
from azure.ai.ml.entities import Environment, ResourceConfiguration
from azure.ai.ml.parallel import RunFunction, parallel_run_function
# %%
try:
    credential = DefaultAzureCredential()
    credential.get_token("https://management.azure.com/.default")
except Exception as ex:
    credential = InteractiveBrowserCredential()
# %%
ml_client = MLClient.from_config(credential=credential)
print(ml_client.compute.get("cpu-cluster"))
# %%
prepare = load_component(source="./src/prepare.yml")
score = parallel_run_function(
    name="score",
    inputs=dict(files=Input(type=AssetTypes.URI_FOLDER, mode=InputOutputModes.RO_MOUNT)),
    outputs=dict(scores=Output(type=AssetTypes.URI_FILE)),
    input_data="${{inputs.files}}",
    instance_count=1,
    max_concurrency_per_instance=1,
    mini_batch_size="2",
    task=RunFunction(
        code="./src",
        entry_script="score.py",
        append_row_to="${{outputs.scores}}",
        environment=Environment(image="mcr.microsoft.com/any"),
    ),
)
# %%
@pipeline()
def two_steps(word):
    prepared = prepare(word=word)
    prepared.outputs.texts.mode = InputOutputModes.UPLOAD
    scored = score(files=prepared.outputs.texts)
    scored.resources = ResourceConfiguration(instance_count=1)
    return {"scores": scored.outputs.scores}

pipeline_job = two_steps(word="good")
pipeline_job.outputs.scores.type = AssetTypes.URI_FILE
pipeline_job.settings.default_compute = "cpu-cluster"
print(pipeline_job)
# %%
pipeline_job = ml_client.jobs.create_or_update(pipeline_job, experiment_name="any")
pipeline_job
# %%
ml_client.jobs.stream(pipeline_job.name)
"""

COMPONENT = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
name: prepare_texts
type: command
inputs:
  word: {type: string}
  count: {type: integer, default: 3, min: 1}
outputs:
  texts: {type: uri_folder}
command: >-
  for n in $(seq ${{inputs.count}}); do echo ${{inputs.word}} > ${{outputs.texts}}/$n.txt; done
environment: azureml:any:1
"""

SCRIPT = """\
def run(mini_batch):
    return [open(each).read().strip() for each in mini_batch]
"""


@pytest.fixture
def source(folder: Path) -> Path:
    (folder / "src").mkdir()
    (folder / "src/prepare.yml").write_text(COMPONENT)
    (folder / "src/score.py").write_text(SCRIPT)
    return folder


def test_the_cells_of_a_notebook(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = re.sub(
        r"^from azure\.\S+ import", "from prefect_parallel.azure import", CELLS, flags=re.M
    )
    names: dict[str, Any] = {}
    for cell in text.split("# %%\n"):
        exec(cell, names)
    job = names["pipeline_job"]
    assert job.status == "Completed"
    assert Path(str(job.result.outputs["scores"])).read_text() == "good\n" * 3
    assert list(job.result.steps) == ["prepared", "score"]
    said = capsys.readouterr().out
    assert "DefaultAzureCredential does nothing here" in said
    assert "cpu-cluster: the Compute block" in said
    assert "type: pipeline" in said
    assert f"{job.name}: Completed, in {source}/runs/{job.name}" in said


def test_a_job_that_fails_is_told_by_stream(source: Path) -> None:
    (source / "pipeline.yml").write_text(
        "type: pipeline\njobs: {a: {component: ./src/prepare.yml, inputs: {word: x, count: 0}}}"
    )
    with pytest.raises(InvalidPipeline, match="at least 1"):
        load_job("pipeline.yml")
    text = COMPONENT.replace("command: >-\n  for", "command: >-\n  exit 3; for")
    (source / "src/prepare.yml").write_text(text)
    (source / "src/score.yml").write_text("type: data")
    (source / "pipeline.yml").write_text(
        "type: pipeline\njobs: {a: {component: ./src/prepare.yml, inputs: {word: x}}}"
    )
    client = MLClient(None, "subscription", "group", "workspace")
    job = client.jobs.create_or_update(load_job("pipeline.yml"))
    assert job.status == "Failed"
    with pytest.raises(PipelineFailed, match="exit code 3"):
        client.jobs.stream(job.name)
    with pytest.raises(UnknownJob):
        client.jobs.stream("other")
    with pytest.raises(InvalidPipeline, match="not a component"):
        load_component("src/score.yml")


@pytest.mark.parametrize("declared", ["inputs: {x: y}", "inputs: [x]", "outputs: {x: 3}"])
def test_errors_in_a_component_are_those_of_the_pipeline_that_uses_it(
    tmp_path: Path, declared: str
) -> None:
    file = tmp_path / "part.yml"
    file.write_text(f"type: command\ncommand: 'true'\nenvironment: azureml:any:1\n{declared}\n")
    part = load_component(file)

    @pipeline
    def one() -> None:
        part()

    with pytest.raises(InvalidPipeline) as refused:
        one()
    assert {problem.file for problem in refused.value.problems} == {str(file)}
