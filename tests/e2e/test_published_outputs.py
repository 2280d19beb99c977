"""Outputs with a `path` are copied there when their step has succeeded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from prefect_parallel.data import NO_DATASTORES
from prefect_parallel.errors import InvalidPipeline
from prefect_parallel.flow.run.output_places import OutputPlaces
from prefect_parallel.flow.run.selection import Selection
from prefect_parallel.job import load_pipeline, resolve
from tests.e2e.conftest import interrupt, write_pipeline
from tests.e2e.test_pipeline import Pipeline
from tests.e2e.test_pipeline import pipeline as pipeline
from tests.waiting import wait_until

PIPELINE = """
    outputs:
      model: {type: uri_folder, path: azureml://datastores/local/paths/model}
    jobs:
      train:
        command: cp -r "$FILES"/. ${{outputs.model}} && echo "$WORD" > ${{outputs.words}}
        environment_variables: {FILES: FOLDER/files, WORD: new}
        outputs:
          model: {mode: upload, path: "${{parent.outputs.model}}"}
          words: {type: uri_file, path: "./words/${{name}}.txt"}
        environment: azureml:any:1
"""


@pytest.fixture
def training(pipeline: Any, tmp_path: Path) -> Pipeline:
    it: Pipeline = pipeline(PIPELINE.replace("FOLDER", str(tmp_path)))
    (tmp_path / "files" / "deep").mkdir(parents=True)
    (tmp_path / "files" / "deep" / "weights").write_text("1")
    (tmp_path / "files" / "notes").write_text("2")
    return it


def run(it: Pipeline, *overrides: str, **options: Any) -> Any:
    stores = it.folder / "stores.yml"
    stores.write_text(yaml.safe_dump({"datastores": {"local": {"url": "./store"}}}))
    return it.run(*overrides, datastores=stores, **options)


def files_of(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


def test_outputs_go_where_the_yaml_says(training: Pipeline) -> None:
    model, words = training.folder / "store" / "model", training.folder / "words" / "run.txt"
    model.mkdir(parents=True)
    (model / "of somebody else").write_text("stays")
    words.parent.mkdir()
    words.write_text("an older one")
    assert run(training).is_completed()
    assert words.read_text() == training.output("train", "words").read_text() == "new\n"
    found = files_of(model)
    assert json.loads(found.pop(".published.json")) == ["deep/weights", "notes"]
    assert found == {"deep/weights": "1", "notes": "2", "of somebody else": "stays"}
    assert training.ends.warnings == []
    # A later run takes away what the earlier one wrote and it did not.
    (training.folder / "files" / "notes").unlink()
    assert run(training, name="again").is_completed()
    assert sorted(files_of(model)) == [".published.json", "deep/weights", "of somebody else"]
    assert files_of(words.parent) == {"run.txt": "new\n", "again.txt": "new\n"}


def test_the_summary_names_where_the_rows_are_published(tmp_path: Path, server: str) -> None:
    it = write_pipeline(tmp_path, server, "def run(files): return files")
    it.change("jobs.step.outputs.out.path", "./scores/${{name}}.txt")
    place = it.folder / "scores" / "run.txt"
    named = [line.split() for line in it.call().splitlines() if "run.txt" in line]
    assert named == [["output", *str(place).split()]]
    assert it.result["output"] == str(place)
    it = write_pipeline(tmp_path / "other", server, "def run(files): return files")
    it.change("jobs.step.outputs.out", {"type": "uri_folder", "path": "./folder"})
    rows = it.folder / "folder" / "parallel_run_step.txt"
    assert f"  output  {rows}" in it.call().splitlines()
    assert len(rows.read_text().splitlines()) == 4


def test_a_step_that_fails_publishes_nothing(training: Pipeline) -> None:
    (training.folder / "words").mkdir()
    (training.folder / "words" / "run.txt").write_text("an older one")
    assert run(training, "jobs.train.command=echo half > ${{outputs.words}}; exit 3").is_failed()
    assert files_of(training.folder / "words") == {"run.txt": "an older one"}
    assert not (training.folder / "store").exists()


def test_an_output_that_cannot_be_published_fails_its_step_until_it_can(
    training: Pipeline,
) -> None:
    (training.folder / "words").write_text("a file where the folder should be")
    state = run(training)
    assert state.is_failed()
    assert "output words cannot be written to" in state.message
    (training.folder / "words").unlink()
    assert run(training, resume=True).is_completed()
    assert training.ends.of["train"].reason == "completed in an earlier run"
    assert files_of(training.folder / "words") == {"run.txt": "new\n"}


def test_a_cancel_does_not_wait_until_a_large_output_is_copied(tmp_path: Path, server: str) -> None:
    it = write_pipeline(tmp_path, server, "def run(files): return files")
    large = {"type": "uri_file", "path": "./place/large.bin"}
    step = {"command": "truncate -s 3G ${{outputs.large}}", "environment": "azureml:any:1"}
    it.change("jobs.step", {**step, "outputs": {"large": large}})
    process = it.start()
    wait_until(lambda: list((it.folder / "place").glob(".large.bin.*")))
    said = interrupt(process) + process.communicate(timeout=240)[0]
    assert process.returncode == 1
    assert "Canceled  step: the run was canceled" in said
    assert list((it.folder / "place").iterdir()) == []


def test_a_file_that_the_step_did_not_write_fails_it(training: Pipeline) -> None:
    (training.folder / "words").mkdir()
    (training.folder / "words" / "run.txt").write_text("an older one")
    state = run(training, "jobs.train.command=true ${{outputs.words}}")
    assert "the step did not write its output words" in state.message


def test_overrides_and_an_unknown_datastore(training: Pipeline) -> None:
    place = training.folder / "elsewhere.txt"
    overrides = [
        "settings.default_datastore=azureml:no_such_store",
        "outputs.model.path=azureml://datastores/${{default_datastore}}/paths/m",
        f"jobs.train.outputs.words.path={place}",
    ]
    assert run(training, *overrides).is_completed()
    assert place.read_text() == "new\n"
    [warning] = training.ends.warnings
    assert "jobs.train.outputs.model: unknown datastore 'no_such_store'" in warning
    assert "--registry FILE" in warning
    assert training.output("train", "model").joinpath("notes").read_text() == "2"


def test_a_trial_publishes_nothing(training: Pipeline) -> None:
    job = resolve(load_pipeline(training.file))
    places = OutputPlaces.of(job, NO_DATASTORES, "run", Selection(first=1))
    assert places.places == {}
    assert places.warning is not None
    assert "jobs.train.outputs.words: this is a trial" in places.warning


def test_places_that_overlap(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yml"
    (tmp_path / "data").mkdir()
    job = {
        "type": "pipeline",
        "jobs": {
            name: {
                "command": "true",
                "environment": "azureml:any:1",
                "inputs": {"x": {"type": "uri_folder", "path": "s3://b/b"}},
                "outputs": {"y": {"path": f"s3://b/{name}"}},
            }
            for name in ("a", "b")
        },
    }
    file.write_text(yaml.safe_dump(job))
    [warning] = resolve(load_pipeline(file)).warnings
    assert "the step may read s3://b/b before b has written it" in str(warning)
    assert "${{parent.jobs.b.outputs.y}}" in str(warning)
    with pytest.raises(InvalidPipeline, match=r"jobs\.a\.outputs\.y is written to the same place"):
        load_pipeline(file, ["jobs.b.outputs.y.path=s3://b/a/c"])
    with pytest.raises(InvalidPipeline, match="found 'azureml:rows:1'"):
        load_pipeline(file, ["jobs.b.outputs.y.path=azureml:rows:1"])


def test_a_named_output_is_a_data_asset_for_later_pipelines(
    pipeline: Any, tmp_path: Path, server: str
) -> None:
    name = f"words-{uuid4().hex}"
    it: Pipeline = pipeline(
        f"""
        jobs:
          say:
            command: echo $SAID > ${{{{outputs.words}}}}
            environment_variables: {{SAID: one}}
            outputs:
              words: {{type: uri_file, name: {name}, path: "./words/${{{{name}}}}.txt"}}
              more: {{type: uri_folder, name: {name}-more, version: 7}}
            environment: azureml:any:1
        """
    )
    first = it.run().result()
    assert first.steps["say"].outputs["words"] == it.folder / "words" / "run.txt"
    assert it.run("jobs.say.environment_variables.SAID=two", "jobs.say.outputs.more.version=8",
                  name="second").is_completed()  # fmt: skip
    # A version that exists is not replaced, unless the same run writes it again.
    assert it.run(resume=True).is_completed()
    failed = it.run(name="third")
    assert f"the data asset azureml:{name}-more:7 exists already" in str(failed.message)

    reader: Pipeline = type(it)(
        tmp_path,
        f"""
        jobs:
          read:
            command: cat ${{{{inputs.one}}}} ${{{{inputs.latest}}}} > ${{{{outputs.text}}}}
            inputs:
              one: {{type: uri_file, path: "azureml:{name}:1"}}
              latest: {{type: uri_file, path: "azureml:{name}@latest"}}
            outputs: {{text: {{type: uri_file}}}}
            environment: azureml:any:1
        """,
        server,
    )
    read = reader.run(name="reader").result()
    assert Path(read.steps["read"].outputs["text"]).read_text() == "one\ntwo\n"
