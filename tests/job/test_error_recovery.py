"""Whatever is broken in a pipeline, the rest of it is still checked."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from prefect_parallel.errors import InvalidPipeline
from prefect_parallel.job import load_pipeline

from .conftest import Folder

PIPELINE = """\
type: pipeline
display_name: all
description: Of everything
tags: {a: b}
compute: local
identity: {type: managed, client_id: x}
settings: {default_compute: azureml:cpu, default_datastore: azureml:store}
inputs:
  rows: 3
  stock: {type: uri_folder, path: ./data, mode: download, description: The stock}
outputs:
  all: {type: uri_file, mode: upload, path: somewhere, name: all, version: 1}
jobs:
  first:
    type: parallel
    display_name: The first
    compute: azureml:cpu
    inputs:
      files: {type: uri_folder, path: "${{parent.inputs.stock}}"}
      label: ${{parent.inputs.rows}}
    outputs:
      rows: ${{parent.outputs.all}}
      rest: {type: uri_folder}
    input_data: ${{inputs.files}}
    mini_batch_size: "5"
    partition_keys: [store]
    max_concurrency_per_instance: ${{parent.inputs.rows}}
    mini_batch_error_threshold: 2
    error_threshold: 3
    logging_level: DEBUG
    resources: {instance_count: 2, properties: {a: b}}
    retry_settings: {max_retries: 1, timeout: 5}
    environment_variables: {A: b}
    task:
      type: run_function
      code: ./code
      entry_script: entry.py
      environment: {image: i, build: {path: ./code}, conda_file: {dependencies: [python]}}
      program_arguments: --label ${{inputs.label}} --error_threshold 4
      append_row_to: ${{outputs.rows}}
  second:
    type: parallel
    component: ./part.yml
    inputs: {files: "${{parent.jobs.first.outputs.rest}}"}
    instance_count: 2
    retry_settings: {timeout: 7}
  third:
    type: command
    inputs: {rows: "${{parent.jobs.first.outputs.rows}}"}
    outputs: {report: {type: uri_folder}}
    command: cp ${{inputs.rows}} ${{outputs.report}}/
    code: ./code
    environment: azureml:any:1
    environment_variables: {B: 5}
    limits: {timeout: 60}
    distribution: {type: mpi, process_count_per_instance: 2}
    queue_settings: {priority: low}
  fourth:
    type: command
    inputs: {x: "${{parent.jobs.second.outputs.rows}}"}
    command: echo ${{inputs.x}} ${{inputs.nothing}}
    environment: azureml:any:1
"""

PART = """\
type: parallel
inputs: {files: {type: uri_folder}}
outputs: {rows: {type: uri_file}}
input_data: ${{inputs.files}}
task: {type: run_function, code: ./code, entry_script: entry.py, environment: azureml:any:1}
"""

BROKEN = (None, 5, "?", [], {"?": 5})


def places(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield (*path, key)
            yield from places(child, (*path, key))


DATA = yaml.safe_load(PIPELINE)
KNOWN = "jobs.fourth.command"
"""Where the pipeline has a problem of its own."""


def keys_of_problems(folder: Folder, data: Any) -> list[str | None]:
    file = folder.path / "pipeline.yml"
    file.write_text(yaml.safe_dump(data, sort_keys=False))
    with pytest.raises(InvalidPipeline) as refused:
        load_pipeline(file)
    return [problem.key for problem in refused.value.problems]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("parts"))
    return folder.add("part.yml", PART)


def test_the_pipeline_has_one_problem(parts: Folder) -> None:
    assert keys_of_problems(parts, DATA) == [KNOWN]


@pytest.mark.parametrize(
    "path",
    [path for path in places(DATA) if path != ("jobs",) and path[:2] != ("jobs", "fourth")],
    ids=".".join,
)
def test_a_broken_value_hides_no_other_problem(parts: Folder, path: tuple[str, ...]) -> None:
    for value in BROKEN:
        data = copy.deepcopy(DATA)
        holder = data
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = value
        assert KNOWN in keys_of_problems(parts, data), value
