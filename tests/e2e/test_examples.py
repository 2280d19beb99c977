"""The examples, as the README runs them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from tests.e2e.conftest import COMMAND
from tests.remote.conftest import free_port

EXAMPLES = Path(__file__).parents[2] / "examples"
IRIS = EXAMPLES / "iris_batch_prediction"


def run(example: str, folder: Path, server: str | None, *overrides: str) -> Path:
    """Run an example's pipeline; gives the run directory."""
    environment = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
    if server:
        environment["PREFECT_API_URL"] = server
    options = [part for override in overrides for part in ("--set", override)]
    file = EXAMPLES / example / "pipeline.yml"
    ended = subprocess.run(
        [*COMMAND, "run", str(file), "--output-dir", str(folder), "--name", "run", *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder / "run"


def run_as_its_readme_says(example: str, folder: Path, server: str) -> Path:
    """Run what stands indented in an example's README; gives the folder of the run's steps."""
    clone = folder / "a clone, 'quoted' ü"
    copy = shutil.copytree(EXAMPLES / example, clone / "examples" / example)
    readme = (copy / "README.md").read_text(encoding="utf-8")
    commands = [line for line in readme.splitlines() if line.startswith("    ")]
    ended = subprocess.run(
        ["bash", "-euc", "\n".join(commands)],
        cwd=clone,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PREFECT_API_URL": server,
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    [steps] = clone.rglob("runs/*/steps")
    return steps


def result_of(directory: Path, step: str) -> dict[str, object]:
    text = (directory / "steps" / step / "logs" / "job_result.txt").read_text()
    return yaml.safe_load(text)  # type: ignore[no-any-return]


def test_iris_gives_a_row_for_each_row_in_order_and_the_same_bytes_on_any_slots(
    tmp_path: Path, server: str
) -> None:
    outputs = []
    for nodes, slots in ((1, 1), (2, 2), (4, 1)):
        step = "jobs.batch_prediction"
        directory = run(
            "iris_batch_prediction",
            tmp_path / f"{nodes}x{slots}",
            server,
            f"{step}.mini_batch_size=1kb",
            f"{step}.resources.instance_count={nodes}",
            f"{step}.max_concurrency_per_instance={slots}",
        )
        output = directory / "steps" / "batch_prediction" / "outputs" / "job_output_file"
        outputs.append(output.read_bytes())
    assert outputs[0] == outputs[1] == outputs[2]
    rows = list(csv.reader(outputs[0].decode().splitlines()))
    source = list(csv.reader((IRIS / "neural-iris-mltable" / "iris.csv").read_text().splitlines()))
    assert [row[: len(source[0])] for row in rows] == source[1:]
    right = sum(row[-1] == row[-2] for row in rows)
    assert right > 140


def test_iris_without_a_server_and_with_an_empty_prefect_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "an empty home"))
    directory = run("iris_batch_prediction", tmp_path, None)
    assert result_of(directory, "batch_prediction")["items"] == {
        "total": 150,
        "succeeded": 150,
        "failed": 0,
    }


def test_a_server_that_was_left_in_the_background_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    command = [sys.executable, "-m", "prefect", "server"]
    port = str(free_port())
    subprocess.run([*command, "start", "--background", "--port", port], check=True)
    try:
        run("iris_batch_prediction", tmp_path, None)
        api = f"http://127.0.0.1:{port}/api"
        (found,) = httpx.post(
            f"{api}/flow_runs/filter", json={"flow_runs": {"name": {"any_": ["run"]}}}
        ).json()
        assert found["state_type"] == "COMPLETED"
    finally:
        subprocess.run([*command, "stop"], check=True)


def test_digits(tmp_path: Path, server: str) -> None:
    directory = run("digit_identification", tmp_path, server)
    output = directory / "steps" / "predict_digits" / "outputs" / "job_output_file"
    lines = output.read_text().splitlines()
    images = sorted(path.name for path in (EXAMPLES / "digit_identification/images").iterdir())
    assert [line.split(": ")[0] for line in lines] == images
    right = sum(f"shows_{line[-1]}." in line for line in lines)
    assert right > 0.9 * len(images)


def test_many_models(tmp_path: Path, server: str) -> None:
    steps = run("many_models", tmp_path, server) / "steps"
    models = list((steps / "train" / "outputs" / "model_folder").rglob("model.json"))
    assert len(models) == 100
    summary = list(csv.DictReader((steps / "summarise/outputs/summary/summary.csv").open()))
    assert len(summary) == 100
    sales = list(csv.DictReader((EXAMPLES / "many_models" / "sales.csv").open()))
    pairs = {(row["store"], row["brand"]) for row in sales}
    assert {(row["store"], row["brand"]) for row in summary} == pairs


def test_document_keywords(tmp_path: Path, server: str) -> None:
    describe = run_as_its_readme_says("document_keywords", tmp_path, server) / "describe"
    lines = (describe / "outputs/described/documents.jsonl").read_text().splitlines()
    described = [json.loads(line) for line in lines]
    documents = EXAMPLES / "document_keywords" / "documents"
    files = sorted(documents.rglob("*.txt"))
    readable = [file for file in files if file.name != "fete.txt"]
    assert len(readable) == len(files) - 1
    assert [(each["language"], each["year"], each["document"]) for each in described] == [
        file.relative_to(documents).parts for file in readable
    ]
    keywords = {each["document"]: each["keywords"] for each in described}
    assert keywords["bienen.txt"] == ["schule", "bienen", "honig"]
    [failed] = (describe / "logs/failed_mini_batches.jsonl").read_text().splitlines()
    assert "language=french, year=2025" in json.loads(failed)["inputs"]
