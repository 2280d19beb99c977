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
import pandas as pd
import pytest
import yaml

from prefect_parallel import load_pipeline
from tests.conftest import copy_database
from tests.e2e.conftest import COMMAND

EXAMPLES = Path(__file__).parents[2] / "examples"
IRIS = EXAMPLES / "iris_batch_prediction"


def run(example: str, folder: Path, server: str | None, *overrides: str) -> Path:
    """Run the pipeline of an example and return the run directory."""
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
        timeout=480,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder / "run"


def clone_with(example: str, folder: Path) -> Path:
    """A folder with the example at the same place as in a clone."""
    clone = folder / "a clone, 'quoted' ü"
    own_runs = shutil.ignore_patterns("runs")
    shutil.copytree(EXAMPLES / example, clone / "examples" / example, ignore=own_runs)
    return clone


def commands_of(example: str) -> list[str]:
    """The indented blocks of an example's README."""
    readme = (EXAMPLES / example / "README.md").read_text(encoding="utf-8")
    return [line.strip() for line in readme.splitlines() if line.startswith("    ")]


def bash(folder: Path, server: str | None, *commands: str) -> str:
    """Run commands in a shell with an activated environment and return their output."""
    variables = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    if server:
        variables["PREFECT_API_URL"] = server
    ended = subprocess.run(
        ["bash", "-euc", "\n".join(commands)],
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=480,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def steps_of_run_in(folder: Path) -> Path:
    [steps] = folder.rglob("runs/*/steps")
    return steps


def result_of(directory: Path, step: str) -> dict[str, object]:
    text = (directory / "steps" / step / "logs" / "job_result.txt").read_text()
    return yaml.safe_load(text)  # type: ignore[no-any-return]


def test_iris_gives_a_row_for_each_row_in_order_and_the_same_bytes_on_any_slots(
    tmp_path: Path, server: str
) -> None:
    outputs = []
    for nodes, slots in ((1, 1), (3, 2)):
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
    assert outputs[0] == outputs[1]
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


def test_the_server_that_the_profile_names(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_PROFILES_PATH", str(tmp_path / "profiles.toml"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    setting = [sys.executable, "-m", "prefect", "config", "set", f"PREFECT_API_URL={server}"]
    subprocess.run(setting, check=True)

    flow_run = (run("iris_batch_prediction", tmp_path, None) / ".flow_run").read_text()
    answer = httpx.get(f"{server}/flow_runs/{flow_run}", timeout=60)
    assert answer.json()["state_type"] == "COMPLETED"


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
    summary = list(csv.DictReader((steps / "summarize/outputs/summary/summary.csv").open()))
    assert len(summary) == 100
    sales = list(csv.DictReader((EXAMPLES / "many_models" / "sales.csv").open()))
    pairs = {(row["store"], row["brand"]) for row in sales}
    assert {(row["store"], row["brand"]) for row in summary} == pairs


def test_document_keywords(tmp_path: Path, server: str) -> None:
    clone = clone_with("document_keywords", tmp_path)
    bash(clone, server, *commands_of("document_keywords"))
    describe = steps_of_run_in(clone) / "describe"
    lines = (describe / "outputs/described/documents.jsonl").read_text().splitlines()
    described = [json.loads(line) for line in lines]
    documents = clone / "examples" / "document_keywords" / "documents"
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


def test_heating_demand(tmp_path: Path, server: str) -> None:
    clone = clone_with("heating_demand", tmp_path)
    bash(clone, server, *commands_of("heating_demand"))
    predict = steps_of_run_in(clone) / "predict"
    demand = pd.read_parquet(predict / "outputs/demand/demand.parquet")
    files = sorted((clone / "examples/heating_demand/buildings").glob("*.parquet"))
    table = pd.concat(map(pd.read_parquet, files), ignore_index=True)
    keys = ["building", "day"]
    pd.testing.assert_frame_equal(demand[keys], table[keys])
    # As make_data.py made the past.
    leaks = table["kind"].map({"flat": 0.03, "house": 0.05, "office": 0.04, "school": 0.06})
    truth = table["floor_area"] * (0.1 + leaks * (18 - table["outside"]).clip(lower=0))
    assert (demand["kwh"] / truth - 1).abs().max() < 0.1


@pytest.mark.usefixtures("server")
def test_a_pipeline_in_python_without_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    copy_database(Path(os.environ["PREFECT_HOME"]), home)
    monkeypatch.setenv("PREFECT_HOME", str(home))
    monkeypatch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO")
    monkeypatch.delenv("DASK_LOGGING__DISTRIBUTED")
    clone = clone_with("pipeline_in_python", tmp_path)
    said = bash(clone, None, *commands_of("pipeline_in_python"))
    assert "3 steps completed" in said
    assert "distributed" not in said, "Dask tells of its workers"
    steps = steps_of_run_in(clone)
    comparison = (steps / "comparing/outputs/comparison/comparison.csv").read_text()
    assert comparison.splitlines() == ["filter,missed,wronged", "cautious,2,0", "eager,0,6"]
    written = load_pipeline(clone / "examples/pipeline_in_python/pipeline.yml")
    assert set(written.jobs) == {folder.name for folder in steps.iterdir()}
    assert [(each.name, each.type) for each in written.parameters] == [
        ("messages", "mltable"),
        ("threshold", "number"),
    ]


COUNTING = """

score = run


def run(mini_batch: pd.DataFrame) -> pd.DataFrame:
    with Path("../../../../../scored.txt").open("a") as scored:
        scored.write(f"{len(mini_batch)} ")
    return score(mini_batch)
"""


def test_nightly_deployment(tmp_path: Path, server: str) -> None:
    clone = clone_with("nightly_deployment", tmp_path)
    folder = clone / "examples" / "nightly_deployment"
    with (folder / "script" / "score.py").open("a") as script:
        script.write(COUNTING)
    laptop, start_server, *team, worker = commands_of("nightly_deployment")
    assert start_server.startswith("prefect server start")
    call_list = Path("choose/outputs/list/call_list.csv")
    scores = Path("score/outputs/scores/scores.csv")

    def night() -> Path:
        before = set(folder.glob("runs/*/steps"))
        bash(folder, server, "prefect deployment run churn/nightly --param calls=5")
        bash(folder, server, f"{worker} --run-once")
        [steps] = set(folder.glob("runs/*/steps")) - before
        return steps

    bash(folder, server, *team)
    deployment = httpx.get(f"{server}/deployments/name/churn/nightly", timeout=60).json()
    try:
        assert [each["schedule"]["timezone"] for each in deployment["schedules"]] == [
            "Europe/Berlin"
        ]
        form = deployment["parameter_openapi_schema"]["properties"]
        assert form["calls"]["default"] == 20
        first = night()
        calls = pd.read_csv(first / call_list)
        customers = pd.read_csv(folder / "shop/customers/customers.csv")
        worst = customers.set_index("customer").loc[calls["customer"]]
        assert len(calls) == 5
        assert calls["leaves"].is_monotonic_decreasing
        assert worst["days_since_order"].min() > customers["days_since_order"].median()
        # Each night scores only the file that is new, of which the second one is in the middle.
        customers.head(7).to_csv(folder / "shop/customers/new.csv", index=False)
        second = night()
        customers.head(3).to_csv(folder / "shop/customers/joined.csv", index=False)
        third = night()
        assert (folder / "scored.txt").read_text() == "60 7 3 "
        assert [result_of(each.parent, "score")["reused"] for each in (second, third)] == [1, 2]
        bash(folder, server, f"{laptop} --name scratch --set settings.force_rerun=true")
        scratch = folder / "runs/scratch/steps"
        assert len(pd.read_csv(scratch / call_list)) == 10
        assert (third / scores).read_bytes() == (scratch / scores).read_bytes()
    finally:
        # Other tests count deployments and work pools.
        httpx.delete(f"{server}/deployments/{deployment['id']}", timeout=60)
        httpx.delete(f"{server}/work_pools/scoring", timeout=60)
