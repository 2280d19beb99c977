"""Pipelines that name registered components, environments and code, and the file that has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefect_parallel.data import Datastores
from prefect_parallel.data.locations.datastores import InvalidDatastores
from prefect_parallel.errors import InvalidPipeline
from prefect_parallel.job import CommandStep, ParallelStep, load_pipeline, resolve

CODE = (
    "azureml:/subscriptions/1/resourceGroups/2/providers/Microsoft.MachineLearningServices"
    "/workspaces/3/codes/4f/versions/1"
)

PIPELINE = """
type: pipeline
jobs:
  train:
    component: azureml:train:3
    inputs: {text: hello}
  again:
    type: command
    component: azureml://registries/shared/components/train/labels/latest
    inputs: {text: hello}
  score:
    type: parallel
    inputs: {files: {type: uri_folder, path: ./data}}
    input_data: ${{inputs.files}}
    task:
      type: run_function
      code: CODE
      entry_script: entry.py
      environment: azureml:sklearn@latest
"""

COMPONENT = f"""
type: command
inputs: {{text: {{type: string}}}}
command: echo VERSION ${{{{inputs.text}}}}
code: {CODE}
environment: azureml:unknown:1
"""

FILE = """
components:
  train: {3: downloaded/3.yml, 10: downloaded/10.yml}
environments:
  sklearn: {1: env/old.yml, 2: env/new.yml}
code:
  4f: {1: ./src}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "pipeline.yml": PIPELINE.replace("CODE", CODE),
        "map/registry.yml": FILE,
        "map/downloaded/3.yml": COMPONENT.replace("VERSION", "three"),
        "map/downloaded/10.yml": COMPONENT.replace("VERSION", "ten"),
        "map/env/new.yml": "$schema: x\nname: sklearn\nconda_file: conda.yml\n",
        "map/env/conda.yml": "dependencies: [{pip: [scikit-learn>=1.5]}]",
        "map/src/entry.py": "def run(mini_batch): return mini_batch",
        "data/a.txt": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_registered_things_are_read_from_the_files_of_the_map(folder: Path) -> None:
    known = Datastores.load(folder / "map" / "registry.yml")
    job = load_pipeline(folder / "pipeline.yml", datastores=known)
    # What a resumed run reads.
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "job.yml").write_text(job.to_yaml(absolute_paths=True))
    for each in (job, load_pipeline(folder / "elsewhere" / "job.yml", datastores=known)):
        steps = resolve(each).steps
        train, again, score = steps["train"], steps["again"], steps["score"]
        assert isinstance(train, CommandStep)
        assert isinstance(again, CommandStep)
        assert isinstance(score, ParallelStep)
        assert (train.command.split()[1], again.command.split()[1]) == ("three", "ten")
        assert score.code == folder / "map" / "src"
        assert score.requirements is not None
        assert score.requirements.pip == ("scikit-learn>=1.5",)


def test_all_that_is_missing_is_listed_as_a_file_to_fill_in(folder: Path) -> None:
    with pytest.raises(InvalidPipeline) as caught:
        load_pipeline(folder / "pipeline.yml")
    lines = [problem.line for problem in caught.value.problems]
    assert lines == [5, 9, 17]
    *others, last = [problem.hint for problem in caught.value.problems]
    assert others == [None, None]
    assert last is not None
    assert last.splitlines()[1:] == [
        "components:", "  train:", "    '3': PATH", "    '1': PATH",
        "code:", "  4f:", "    '1': PATH",
    ]  # fmt: skip
    assert "--registry FILE" in last


def test_code_of_a_downloaded_component_is_asked_for_where_it_is_named(folder: Path) -> None:
    file = folder / "map" / "registry.yml"
    file.write_text(file.read_text().replace("  4f: {1: ./src}", "  4f: {2: ./src}"))
    with pytest.raises(InvalidPipeline) as caught:
        load_pipeline(folder / "pipeline.yml", datastores=Datastores.load(file))
    places = [(Path(each.file or "").name, each.line) for each in caught.value.problems]
    assert sorted(places) == [("10.yml", 5), ("3.yml", 5), ("pipeline.yml", 17)]


def test_a_name_of_data_and_of_a_model_is_refused(folder: Path) -> None:
    file = folder / "map" / "registry.yml"
    file.write_text("data: {iris: {1: ./a}}\nmodels: {iris: {1: ./b}}\n")
    with pytest.raises(InvalidDatastores, match="iris is defined in data, too"):
        Datastores.load(file)
