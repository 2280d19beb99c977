"""The format of a major input without an MLTable file, in the properties of the step."""

from __future__ import annotations

import pytest

from prefect_parallel.errors import InvalidPipeline
from prefect_parallel.job import ParallelStep, resolve

from .conftest import Folder

INPUT = "files: {type: uri_folder, path: ./data}"
DIRECT = INPUT.replace("}", ", mode: direct}")


def _of_step(folder: Folder, properties: str) -> ParallelStep:
    folder.replace(
        'mini_batch_size: "5"', f'mini_batch_size: "5 rows"\n    properties: {properties}'
    )
    step = resolve(folder.load()).steps["first"]
    assert isinstance(step, ParallelStep)
    return step


def test_the_format_is_a_property_of_the_step(folder: Folder) -> None:
    step = _of_step(folder.replace(INPUT, DIRECT), "{input_format: csv, owner: me}")
    assert step.input_format == "csv"
    assert step.settings["input_format"] == "csv"
    assert step.origins["input_format"] == "YAML"
    assert str(step.mini_batch_size) == "5 rows"


def test_other_properties_are_for_people(folder: Folder) -> None:
    step = _of_step(folder, "{owner: me}")
    assert (step.input_format, step.origins["input_format"]) == (None, "default")
    assert not folder.load().ignored


def _of_component(folder: Folder, properties: str) -> ParallelStep:
    folder.add(
        "component.yml",
        f"""\
        type: parallel
        inputs:
          files: {{type: uri_folder, mode: direct}}
        input_data: ${{{{inputs.files}}}}
        properties: {properties}
        task: {{type: run_function, code: ./code, entry_script: entry.py, environment: azureml:a:1}}
        """,
    )
    folder.text = """\
type: pipeline
jobs:
  first: {type: parallel, component: ./component.yml, inputs: {files: ./data}}
"""
    step = resolve(folder.load()).steps["first"]
    assert isinstance(step, ParallelStep)
    return step


def test_a_step_inherits_the_properties_of_its_component(folder: Folder) -> None:
    step = _of_component(folder, "{input_format: json_lines}")
    assert (step.input_format, step.origins["input_format"]) == ("json_lines", "component")


@pytest.mark.parametrize(
    ("value", "found"), [("[csv]", "a list"), ("{a: 1}", "a mapping"), ("5", "the number 5")]
)
def test_the_format_of_a_component_is_text(folder: Folder, value: str, found: str) -> None:
    with pytest.raises(InvalidPipeline, match=f"input_format: found {found}\n.*csv, tsv, parquet"):
        _of_component(folder, f"{{input_format: {value}}}")


@pytest.mark.parametrize(
    ("source", "properties", "error"),
    [
        (DIRECT, "{input_format: cvs}", "found 'cvs'\n.*csv, tsv, parquet.*\n.*did you mean csv"),
        (
            INPUT,
            "{input_format: csv}",
            "the mode of the input files is ro_mount\n.*allowed: direct",
        ),
        (
            "files: {type: mltable, path: ./data, mode: direct}",
            "{input_format: csv}",
            "the input files is an mltable",
        ),
    ],
)
def test_a_format_that_does_not_suit_the_input(
    folder: Folder, source: str, properties: str, error: str
) -> None:
    folder.replace(INPUT, source).add("data/MLTable", "paths: [{file: a.txt}]")
    with pytest.raises(InvalidPipeline, match=rf"first\.properties\.input_format: {error}"):
        _of_step(folder, properties)
