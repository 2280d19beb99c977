from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from prefect_parallel.errors import InvalidPipeline, Problem
from prefect_parallel.job import PipelineJob, load_pipeline

SCRIPT = """
def init():
    pass


def run(mini_batch):
    return list(mini_batch)
"""

PIPELINE = """\
type: pipeline
inputs:
  rows: 3
  share: 0.5
  label: red
  deep: false
  stock: {type: uri_folder, path: ./data, mode: download}
jobs:
  first:
    type: parallel
    inputs:
      files: {type: uri_folder, path: ./data}
      label: ${{parent.inputs.label}}
    outputs:
      rows: {type: uri_file}
    input_data: ${{inputs.files}}
    mini_batch_size: "5"
    task:
      type: run_function
      code: ./code
      entry_script: entry.py
      environment: azureml:any:1
      program_arguments: --label ${{inputs.label}}
      append_row_to: ${{outputs.rows}}
  second:
    type: command
    inputs:
      rows: ${{parent.jobs.first.outputs.rows}}
    outputs:
      report: {type: uri_folder}
    command: cp ${{inputs.rows}} ${{outputs.report}}/
    environment: azureml:any:1
"""


class Folder:
    """A folder with a pipeline that is right, to be changed by the tests."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "code").mkdir()
        (path / "code" / "entry.py").write_text(SCRIPT)
        (path / "data").mkdir()
        (path / "data" / "a.txt").write_text("a\n")
        self.text = PIPELINE

    def replace(self, old: str, new: str) -> Folder:
        assert old in self.text
        self.text = self.text.replace(old, new, 1)
        return self

    def add(self, file: str, text: str) -> Folder:
        (self.path / file).parent.mkdir(parents=True, exist_ok=True)
        (self.path / file).write_text(dedent(text))
        return self

    def load(self, *overrides: str) -> PipelineJob:
        file = self.path / "pipeline.yml"
        file.write_text(self.text)
        return load_pipeline(file, overrides)

    def problems(self, *overrides: str) -> list[Problem]:
        with pytest.raises(InvalidPipeline) as refused:
            self.load(*overrides)
        return refused.value.problems

    def problem(self, *overrides: str) -> Problem:
        problems = self.problems(*overrides)
        assert len(problems) == 1, problems
        return problems[0]

    def line_of(self, text: str) -> int:
        lines = [number for number, line in enumerate(self.text.splitlines(), 1) if text in line]
        assert len(lines) == 1, lines
        return lines[0]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


Load = Callable[..., PipelineJob]
