"""The schema that editors use says the same as the models."""

from __future__ import annotations

import json
from collections.abc import Iterator

import jsonschema
import pytest
import yaml

from prefect_parallel.deploy import schedule_file  # noqa: F401 - for its models
from prefect_parallel.job import PipelineJob
from prefect_parallel.job.format.json_schema import json_schema
from prefect_parallel.job.format.model import Model
from prefect_parallel.job.models.components import ComponentModel
from prefect_parallel.job.models.steps import CommandKeys, ParallelKeys, Step
from tests.golden_cases import pipelines

from .conftest import PIPELINE

# What no schema can know: names that point nowhere, files, and what stands in other files.
BEYOND = {"undefined-reference", "missing-file", "missing-input", "missing-compute"}


BASES = (Step, ComponentModel, ParallelKeys, CommandKeys)
"""Models that nothing in a file is read by."""


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json_schema(PipelineJob, "pipelines")
    jsonschema.Draft202012Validator.check_schema(schema)
    json.dumps(schema)
    return jsonschema.Draft202012Validator(schema)


def test_golden_cases(validator: jsonschema.Draft202012Validator) -> None:
    seen = 0
    for name, case in pipelines().items():
        expected = case.expected
        if expected.get("lax") or expected.get("error") in BEYOND | {"bad-yaml"}:
            continue
        if ".component" in expected.get("where", "") or "eval_mount" in expected.get("detail", ""):
            continue
        assert validator.is_valid(yaml.safe_load(case.text)) == case.valid, name
        seen += 1
    assert seen > 80


def test_what_it_refuses(validator: jsonschema.Draft202012Validator) -> None:
    assert validator.is_valid(yaml.safe_load(PIPELINE))
    for old, new in (
        ('mini_batch_size: "5"', 'mini_bach_size: "5"'),
        ('mini_batch_size: "5"', "mini_batch_size: 5"),
        ('mini_batch_size: "5"', "retry_settings: {timeout: 0}"),
        ("  first:", "  First:"),
        ("      environment: azureml:any:1\n      prog", "      environment: any\n      prog"),
    ):
        assert old in PIPELINE
        assert not validator.is_valid(yaml.safe_load(PIPELINE.replace(old, new))), new


def test_every_key_is_told_of() -> None:
    keys = [
        (model, name, info)
        for model in models(Model)
        for name, info in model.all_keys().items()
        if model not in BASES
    ]
    assert len(keys) > 150
    assert [(model, name) for model, name, info in keys if not info.description] == []
    defs = json_schema(PipelineJob, "pipelines")["$defs"]
    step = defs["ParallelStepModel"]["properties"]
    assert step["mini_batch_size"]["description"].startswith("The size of a mini-batch")
    assert "no effect" in step["experiment_name"]["description"]
    assert defs["RetrySettings"]["properties"]["timeout"]["default"] == 60


def models(of: type[Model]) -> Iterator[type[Model]]:
    for model in of.__subclasses__():
        yield model
        yield from models(model)
