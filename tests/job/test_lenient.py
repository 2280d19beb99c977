"""Unknown keys: errors by default, warnings if the file is loaded leniently."""

from __future__ import annotations

import pytest

from prefect_parallel.errors import InvalidPipeline
from prefect_parallel.job import load_pipeline, resolve

from .conftest import Folder

COMPONENT = """
    type: command
    command: "true"
    environment: azureml:any:1
    is_deterministick: true
"""


def test_a_misspelled_key_is_a_warning_that_names_the_key(folder: Folder) -> None:
    folder.text += "  third: {type: command, component: ./part.yml}\n"
    folder.text += "  fourth: {type: pipeline, jobss: {}, jobs: {a: {component: ./part.yml}}}\n"
    folder.text += "settings: {default_datestore: azureml:x}\n"
    folder.add("part.yml", COMPONENT)
    found = {problem.key for problem in folder.problems()}
    job = load_pipeline(folder.path / "pipeline.yml", lenient=True)
    assert {problem.key for problem in job.unknown} == found
    (settings,) = (each for each in job.unknown if each.key == "settings.default_datestore")
    assert settings.line == folder.line_of("datestore")
    assert settings.message == "unknown key, ignored"
    assert settings.hint == "did you mean default_datastore?"
    resolved = resolve(job)
    assert set(job.unknown) <= set(resolved.warnings)
    assert set(resolved.steps) == {"first", "second", "third", "fourth.a"}
    # Everything else stays an error.
    folder.replace("mini_batch_size:", "timeoutt: 1\n    mini_batch_size: 0\n    x:")
    (folder.path / "pipeline.yml").write_text(folder.text)
    with pytest.raises(InvalidPipeline) as caught:
        load_pipeline(folder.path / "pipeline.yml", lenient=True)
    (problem,) = caught.value.problems
    assert problem.key == "jobs.first.mini_batch_size"


def test_of_a_batch_deployment(folder: Folder) -> None:
    text = "name: a\nendpoint_name: b\nmodel: ./data\nmini_batch_sise: 3\nenvironment: azureml:e\n"
    folder.text = text + "code_configuration: {code: code, scoring_script: entry.py}\n"
    assert folder.problem().key == "mini_batch_sise"
    job = load_pipeline(folder.path / "pipeline.yml", lenient=True)
    assert [(each.key, each.line) for each in job.unknown] == [("mini_batch_sise", 4)]
