"""A file of another kind is called by its kind, with what takes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefect_parallel import load_pipeline
from prefect_parallel.errors import InvalidPipeline

SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            SCHEMA + "commandComponent.schema.json\ncommand: echo",
            "a component",
            "component: ./FILE",
        ),
        ("type: parallel\ninput_data: x", "a component", "component: ./FILE"),
        ("command: echo\ninputs: {a: {type: number}}", "a component", "component: ./FILE"),
        (SCHEMA + "environment.schema.json\nimage: x", "an environment", "conda_file: ./FILE"),
        ("name: e\nbuild: {path: .}", "an environment", "conda_file: ./FILE"),
        (SCHEMA + "data.schema.json\npath: x", "a data asset", "--registry"),
        ("type: mltable\npath: x", "a data asset", "--registry"),
        (SCHEMA + "azureBlob.schema.json", "a datastore", "--registry"),
        (SCHEMA + "amlCompute.schema.json\ntype: amlcompute", "a compute", "a Compute block"),
        (SCHEMA + "model.schema.json\npath: x", "a model", "mlflow_model"),
        (SCHEMA + "batchEndpoint.schema.json\nname: e", "an endpoint", "DEPLOYMENT.yml"),
        ("name: e\nauth_mode: key", "an endpoint", "DEPLOYMENT.yml"),
        ("endpoint_name: e\ninstance_type: s", "an online deployment", "a batch deployment"),
        (
            SCHEMA + "managedOnlineDeployment.schema.json\nendpoint_name: e",
            "an online deployment",
            "a batch deployment",
        ),
        (
            "name: s\ntrigger: {type: cron}\ncreate_job: ./p.yml",
            "a schedule",
            "deploy --schedule FILE",
        ),
    ],
)
def test_a_file_of_another_kind(tmp_path: Path, text: str, message: str, hint: str) -> None:
    file = tmp_path / "file.yml"
    file.write_text(text)
    with pytest.raises(InvalidPipeline) as refused:
        load_pipeline(file)
    (problem,) = refused.value.problems
    assert problem.message == f"this is {message}, not a pipeline"
    assert hint in (problem.hint or "")


@pytest.mark.parametrize("of_type", ["automl", "spark", "sweep", "Sweep", "import"])
def test_what_needs_azure(tmp_path: Path, of_type: str) -> None:
    file = tmp_path / "file.yml"
    for text, what in (
        (f"type: {of_type}\ntrial: {{}}", "job"),
        (f"type: pipeline\njobs: {{a: {{type: {of_type}, code: .}}}}", "step"),
    ):
        file.write_text(text)
        with pytest.raises(InvalidPipeline) as refused:
            load_pipeline(file)
        (problem,) = refused.value.problems
        assert problem.message.endswith(f"{of_type.lower()} {what} needs Azure ML")
        assert problem.hint == f"write a command {what} that does the same"
