"""Batch deployments: a pipeline of one parallel step, with what can be given at invocation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_parallel import PipelineResult, compile_pipeline
from prefect_parallel.cli.main import main
from prefect_parallel.deploy.portable import write_portable
from prefect_parallel.errors import InvalidPipeline
from prefect_parallel.job import Data, ParallelStep, load_pipeline, resolve
from prefect_parallel.job.files import mlflow_scoring

SCHEMA = "https://azuremlschemas.azureedge.net/latest/modelBatchDeployment.schema.json"

SCRIPT = """\
import os

def init():
    global word
    folder = os.environ["AZUREML_MODEL_DIR"]
    with open(os.path.join(folder, "model", "word.txt")) as file:
        word = file.read()

def run(mini_batch):
    with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "seen.txt"), "w") as file:
        file.write(os.environ["COLOUR"])
    # Fewer than there are files, by a generator.
    yield f"{word} {len(mini_batch)}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {"model/word.txt": "good", "code/driver.py": SCRIPT}
    files |= {f"data/{name}.txt": name for name in "abc"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def write(folder: Path, **keys: Any) -> Path:
    deployment = {
        "$schema": SCHEMA,
        "name": "words",
        "endpoint_name": "texts",
        "type": "model",
        "model": {"path": "./model"},
        "code_configuration": {"code": "code", "scoring_script": "driver.py"},
        "environment": {"name": "any", "image": "any"},
        "compute": "azureml:local",
        "settings": {"mini_batch_size": 2, "environment_variables": {"COLOUR": "red"}},
        **keys,
    }
    given = {name: value for name, value in deployment.items() if value is not None}
    (folder / "deployment.yml").write_text(yaml.safe_dump(given, sort_keys=False))
    return folder / "deployment.yml"


def run(server: str, file: Path, *overrides: str, **values: Any) -> PipelineResult:
    with temporary_settings({PREFECT_API_URL: server}):
        flow = compile_pipeline(
            file, overrides=overrides, output_dir=file.parent / "runs", name="run"
        )
        return flow(**values)


def step_of(file: Path, *overrides: str, **values: Any) -> ParallelStep:
    (step,) = resolve(load_pipeline(file, overrides), values).steps.values()
    assert isinstance(step, ParallelStep)
    return step


def test_its_own_script_scores_data(folder: Path, server: str) -> None:
    published = folder / "published"
    values = {"input": str(folder / "data"), "output": str(published)}
    outputs = run(server, write(folder), **values).outputs
    assert outputs["score"] == published
    assert (published / "predictions.csv").read_text() == "good 2\ngood 1\n"
    assert (published / "seen.txt").read_text() == "red"


def test_its_defaults_are_those_of_azure(folder: Path) -> None:
    file = write(folder, settings=None)
    job = load_pipeline(file, [f"input={folder / 'data'}"])
    assert {each.name: each.default for each in job.parameters} == {
        "input": str(folder / "data"),
        "output": "",
        "mini_batch_size": 10,
        "instance_count": 1,
        "max_retries": 3,
        "timeout": 30,
        "error_threshold": -1,
    }
    step = step_of(file, f"input={folder / 'data'}")
    assert (step.max_concurrency_per_instance, step.logging_level) == (1, "INFO")
    assert step.check_item_count is False
    assert step.append_row_to is not None
    assert step.append_row_to.subpath == "predictions.csv"
    # Values of an invocation replace them.
    step = step_of(file, f"input={folder / 'data/a.txt'}", mini_batch_size=7, max_retries=0)
    assert (step.mini_batch_size, step.max_retries, step.timeout) == (7, 0, 30)
    assert isinstance(step.inputs["input"], Data)
    assert step.inputs["input"].type == "uri_file"


def test_expressions_and_empty_paths_are_refused(folder: Path) -> None:
    file = write(folder, resources={"instance_count": "${{parent.inputs.nodes}}"})
    with pytest.raises(InvalidPipeline, match="as instance_count"):
        load_pipeline(file)
    with pytest.raises(InvalidPipeline, match="the path is empty"):
        step_of(write(folder), "input=")


def test_settings_within_and_outside_settings(folder: Path) -> None:
    settings = {
        "mini_batch_size": 4,
        "instance_count": 3,
        "max_concurrency_per_instance": 2,
        "retry_settings": {"max_retries": 1, "timeout": 9},
        "error_threshold": 5,
        "logging_level": "debug",
        "output_action": "summary_only",
        "environment_variables": {"COLOUR": 1},
    }
    for keys in ({"settings": settings}, {"settings": None, "type": None, **settings}):
        step = step_of(write(folder, **keys), f"input={folder / 'data'}")
        assert (step.mini_batch_size, step.instance_count) == (4, 3)
        assert (step.max_retries, step.timeout, step.error_threshold) == (1, 9, 5)
        assert (step.max_concurrency_per_instance, step.logging_level) == (2, "DEBUG")
        assert step.append_row_to is None
        assert step.variables({"inputs.model": "/m/x", "outputs.score": "/o"}) == {
            "AZUREML_MODEL_DIR": "/m",
            "AZUREML_BI_OUTPUT_PATH": "/o",
            "COLOUR": "1",
        }
        model = step.inputs["model"]
        assert isinstance(model, Data)
        assert (model.type, model.location) == ("custom_model", str(folder / "model"))


@pytest.mark.parametrize(
    ("keys", "key", "found"),
    [
        ({"settings": {"mini_batch_sise": 2}}, "settings.mini_batch_sise", "unknown key"),
        ({"settings": {"retry_settings": {"timeout": 0}}}, "settings.retry_settings.timeout", "0"),
        ({"settings": {"mini_batch_size": 2}, "mini_batch_size": 3}, "mini_batch_size", "both"),
        ({"resources": {"instance_count": 2}, "instance_count": 3}, "resources", "two numbers"),
        ({"model": {"path": "./modell"}}, "model.path", "there is no"),
        (
            {"code_configuration": {"code": "code", "scoring_script": "drive.py"}},
            "code_configuration.scoring_script",
            "there is no drive.py",
        ),
        ({"code_configuration": None}, "code_configuration", "the key is missing"),
        ({"environment": None}, "environment", "the key is missing"),
        ({"type": "pipeline"}, "type", "found a deployment of a pipeline"),
        ({"model": "azureml:words:1"}, "model", None),
    ],
)
def test_errors_name_the_keys_of_the_deployment(
    folder: Path, keys: dict[str, Any], key: str, found: str | None
) -> None:
    file = write(folder, **keys)
    if found is None:  # It is looked up when it runs.
        load_pipeline(file)
        return
    with pytest.raises(InvalidPipeline) as caught:
        load_pipeline(file)
    (problem,) = caught.value.problems
    assert problem.key == key
    assert found in problem.message
    assert problem.file == str(file)
    assert (problem.line == 1) == (key in ("environment", "code_configuration"))


def test_a_run_says_that_it_needs_input(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(folder)
    monkeypatch.chdir(folder)
    with pytest.raises(InvalidPipeline, match="input: the input has no path"):
        resolve(load_pipeline(file))
    # A pipeline has inputs of its own.
    (folder / "pipeline.yml").write_text("type: pipeline\njobs: {}")
    for name, status, text in (
        ("deployment.yml", 0, "mini-batches 2, by size"),
        ("pipeline.yml", 2, "input: unknown key"),
    ):
        monkeypatch.setattr(sys, "argv", ["prefect-parallel", "plan", name, "--input", "data"])
        with pytest.raises(SystemExit, match=str(status)):
            main()
        assert text in "".join(capsys.readouterr())


def test_a_model_in_mlflows_format_needs_no_script(folder: Path, server: str) -> None:
    pyfunc = pytest.importorskip("mlflow.pyfunc")
    models = pytest.importorskip("mlflow.models")

    class Halves(pyfunc.PythonModel):  # type: ignore[misc]
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return model_input["price"] / 2

    table = pd.DataFrame({"price": [1.0], "name": ["x"]})
    pyfunc.save_model(
        str(folder / "saved"),
        python_model=Halves(),
        signature=models.infer_signature(table, table["price"]),
        pip_requirements=["pandas"],
    )
    # Whole numbers are read as the signature says, or MLflow would refuse them.
    (folder / "data/a.csv").write_text("name,price\n1,3\ny,4\n")
    table.to_parquet(folder / "data/b.parquet")
    (folder / "data/c.csv").write_text("name,prize\n1,3\n")
    file = write(
        folder,
        model={"path": "saved"},
        code_configuration=None,
        environment=None,
        settings={"mini_batch_size": 1, "retry_settings": {"max_retries": 0}},
    )
    for name in "ab":
        (folder / f"data/{name}.txt").unlink()
    outputs = run(server, file, f"input={folder / 'data'}").outputs
    rows = (Path(str(outputs["score"])) / "predictions.csv").read_text()
    assert rows == "0,1.5,a.csv\n1,2.0,a.csv\n0,0.5,b.parquet\n"
    failed = (folder / "runs/run/steps/score/logs/failed_mini_batches.jsonl").read_text()
    (other_column, other_type) = failed.splitlines()
    assert "MlflowException: Failed to enforce schema" in other_column
    assert "c.txt: files of type '.txt' are not supported" in other_type


def test_images_get_the_shape_of_the_signature(folder: Path, monkeypatch: Any) -> None:
    pyfunc = pytest.importorskip("mlflow.pyfunc")
    models = pytest.importorskip("mlflow.models")
    numpy = pytest.importorskip("numpy")
    image = pytest.importorskip("PIL.Image")

    class Means(pyfunc.PythonModel):  # type: ignore[misc]
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return [[float(each.mean()), float(each.shape[0])] for each in model_input]

    example = numpy.zeros((2, 12), dtype="float32")
    pyfunc.save_model(
        str(folder / "saved"),
        python_model=Means(),
        signature=models.infer_signature(example),
        pip_requirements=["pandas"],
    )
    image.new("RGB", (2, 2), (9, 9, 9)).save(folder / "data/x.png")
    monkeypatch.setattr(sys, "argv", ["script", "--model", str(folder / "saved"), "--other"])
    monkeypatch.setattr(mlflow_scoring, "model", None)
    mlflow_scoring.init()
    scored = mlflow_scoring.run([str(folder / "data/x.png")])
    assert scored.to_dict("records") == [
        {"row": 0, "prediction": "[9.0, 12.0]", "file_name": "x.png"}
    ]


def test_a_deployed_one_loads_elsewhere(folder: Path, tmp_path_factory: Any) -> None:
    """What `deploy` writes has the script, and leaves the data to the form."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    job = load_pipeline(write(folder), [f"input={folder / 'data'}"])
    inputs = write_portable(job, elsewhere, title="words", options={})
    assert inputs == {"input": str(folder / "data")}
    copied = load_pipeline(elsewhere / "pipeline.yml")
    (step,) = resolve(copied, inputs).steps.values()
    assert isinstance(step, ParallelStep)
    assert step.code.is_relative_to(elsewhere)
    assert [each.name for each in copied.parameters][:2] == ["input", "output"]
