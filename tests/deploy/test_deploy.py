"""`prefect-parallel deploy`: what the server, the run store and the user are told."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefect_parallel import load_pipeline
from prefect_parallel.cli.app import app
from prefect_parallel.deploy import pull_snapshot
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.job import resolve
from tests.deploy.conftest import Api

SCRIPT = "def init(): pass\ndef run(mini_batch): return mini_batch\n"

STEP = """
type: parallel
inputs: {files: "${{parent.inputs.files}}"}
outputs: {out: {type: uri_file}}
input_data: ${{inputs.files}}
task:
  type: run_function
  code: ../src
  entry_script: script.py
  program_arguments: --rows ${{inputs.rows}}
  environment: {image: any, conda_file: ./conda.yml}
  append_row_to: ${{outputs.out}}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A pipeline in a folder whose code, component and data lie around it."""
    root = tmp_path / "a 'project' ü"
    for folder in ("src/data", "parts", "job"):
        (root / folder).mkdir(parents=True)
    (root / "src/script.py").write_text(SCRIPT)
    (root / "src/run.sh").write_text("true\n")
    (root / "src/run.sh").chmod(0o744)
    (root / "src/data/1.txt").write_text("a")
    (root / "job/conda.yml").write_text("dependencies: [python=3.11, pip: [-r ../parts/r.txt]]\n")
    (root / "parts/r.txt").write_text("scikit-learn>=1.4\n")
    component = {
        "type": "command",
        "command": "./run.sh > ${{outputs.made}}/x",
        "code": "../src",
        "environment": {"image": "any", "conda_file": "../job/conda.yml"},
        "outputs": {"made": {"type": "uri_folder"}},
    }
    (root / "parts/component.yml").write_text(yaml.safe_dump(component))
    step = yaml.safe_load(STEP)
    step["inputs"] = {"files": "${{parent.inputs.files}}", "rows": "${{parent.inputs.rows}}"}
    job = {
        "type": "pipeline",
        "display_name": "sales & returns",
        "description": "of each night",
        "tags": {"owner": "sales"},
        "inputs": {
            "files": {
                "type": "uri_folder",
                "path": "../src/data",
                "description": "Yesterday's files.",
            },
            "rows": 8,
            "share": 0.5,
            "careful": True,
            "greeting": "hello",
        },
        "jobs": {
            "score": step,
            "make": {
                "type": "command",
                "component": "../parts/component.yml",
                "outputs": {"made": {"type": "uri_folder"}},
            },
        },
    }
    file = root / "job/nightly.yml"
    file.write_text(yaml.safe_dump(job, sort_keys=False))
    return file


def snapshot_of(deployment: Any) -> dict[str, str]:
    [step] = deployment["pull_steps"]
    arguments: dict[str, str] = step["prefect_parallel.deploy.pull_snapshot"]
    return arguments


def test_the_form_has_the_inputs_with_types_defaults_and_descriptions(
    api: Api, pipeline: Path, pool: str
) -> None:
    said = api.here("deploy", pipeline, "--tag", "night", "--param", "rows=9")
    made = api.deployment("sales - returns", "nightly")
    properties = made["parameter_openapi_schema"]["properties"]
    data = str(pipeline.parents[1] / "src/data")
    assert [(name, each["type"], each["default"]) for name, each in properties.items()] == [
        ("files", "string", data),
        ("rows", "integer", 8),
        ("share", "number", 0.5),
        ("careful", "boolean", True),
        ("greeting", "string", "hello"),
    ]
    assert properties["files"]["description"].startswith("Yesterday's files.")
    assert made["parameters"] == {"files": data, "rows": 9}
    assert made["description"] == "of each night"
    assert made["tags"] == ["night", "owner:sales"]
    assert made["work_pool_name"] == pool
    assert made["enforce_parameter_schema"]
    assert "created  sales - returns/nightly" in said
    assert "prefect deployment run 'sales - returns/nightly'" in said
    assert f"/deployments/deployment/{made['id']}" in said
    assert f"prefect worker start --pool {pool}" in said


def test_a_snapshot_holds_what_loads_anywhere_and_no_data(
    api: Api, pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.here("deploy", pipeline, "--name", "moved", "--output-dir", "../runs")
    arguments = snapshot_of(api.deployment("sales - returns", "moved"))
    assert Path(arguments["snapshot"]).parent == api.folder.parent / "runs/.snapshots"
    original = load_pipeline(pipeline)
    # As on a machine that has nothing else.
    pipeline.parents[1].rename(api.folder / "away")
    monkeypatch.setenv("XDG_CACHE_HOME", str(api.folder / "other cache"))
    folder = Path(pull_snapshot(**arguments)["directory"])
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {Path(name).name for name in files} == {
        *("flow.py", "pipeline.yml", "make.yml", "script.py", "run.sh")
    }
    moved = load_pipeline(folder / "pipeline.yml")
    data = api.folder / "away/src/data"
    steps = resolve(moved, {"files": str(data)}).steps
    assert steps["score"].inputs["files"].location == str(data)  # type: ignore[union-attr]
    assert steps["score"].code == steps["make"].code
    assert os.access(steps["make"].code / "run.sh", os.X_OK)  # type: ignore[operator]
    assert moved.jobs["score"].input_data == original.jobs["score"].input_data
    for step in steps.values():
        assert step.requirements is not None
        assert step.requirements.pip == ("scikit-learn>=1.4",)
        assert step.requirements.python is not None
    assert pull_snapshot(**arguments)["directory"] == str(folder)


def test_again_it_is_updated_in_place_and_keeps_its_schedule(api: Api, pipeline: Path) -> None:
    said = api.here(
        *("deploy", pipeline, "--name", "again"),
        # There is no half past two on the night in which clocks are set forward.
        *("--cron", "30 4 * * *", "--timezone", "W. Europe Standard Time"),
    )
    assert "cron 30 4 * * * (Europe/Berlin)" in said
    assert said.count("04:30:00 CE") == 3
    first = api.deployment("sales - returns", "again")
    assert [each["schedule"]["cron"] for each in first["schedules"]] == ["30 4 * * *"]

    (pipeline.parents[1] / "src/script.py").write_text(SCRIPT + "# changed\n")
    said = api.here("deploy", pipeline, "--name", "again", "--param", "greeting=12")
    assert "updated  " in said
    assert "cron 30 4 * * * (Europe/Berlin)" in said
    second = api.deployment("sales - returns", "again")
    assert second["id"] == first["id"]
    assert second["parameters"]["greeting"] == "12"
    assert second["version"] != first["version"]
    assert [each["schedule"] for each in second["schedules"]] == [
        each["schedule"] for each in first["schedules"]
    ]

    api.here("deploy", pipeline, "--name", "again", "--interval", "1h30m")
    third = api.deployment("sales - returns", "again")
    assert [each["schedule"]["interval"] for each in third["schedules"]] == [5400]
    assert third["version"] == second["version"]
    assert snapshot_of(third) == snapshot_of(second)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--work-pool", "unpoled"], ["no work pool unpoled", "did you mean unpolled?"]),
        (["--param", "greting=x"], ["--param greting=x", "did you mean greeting?"]),
        (["--param", "rows=many"], ["inputs.rows", "integer"]),
        (["--cron", "61 * * * *"], ["--cron 61 * * * *", "five fields"]),
        (["--cron", "0 0 30 2 *"], ["--cron 0 0 30 2 *", "no date matches"]),
        (["--cron", "1 * * * *", "--interval", "5"], ["--interval", "one of them"]),
        (["--cron", "1 * * * *", "--timezone", "Europe/Berlim"], ["mean Europe/Berlin?"]),
        (["--cron", "0 6 * * 1-5 30"], ["--cron 0 6 * * 1-5 30", "five fields"]),
        (["--interval", "0"], ["--interval 0"]),
        (["--interval", "99999999999999"], ["--interval 99999999999999", "never start"]),
        (["--param", "files="], ["the path is empty"]),
        (["--timezone", "UTC"], ["--timezone UTC"]),
        (["--job-variable", "image"], ["--job-variable image"]),
        (["--job-variable", "env={a"], ["--job-variable env={a", "invalid YAML"]),
        (["--param", "rows"], ["--param rows", "NAME=VALUE"]),
    ],
)
def test_a_wrong_option_is_told_and_nothing_is_deployed(
    api: Api,
    pipeline: Path,
    options: list[str],
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(api.folder)
    words = ["deploy", str(pipeline), "--name", "wrong", *options]
    with pytest.raises(PrefectParallelError) as raised:
        app(words, result_action="return_value", exit_on_error=False)
    assert all(part in str(raised.value) for part in said), raised.value
    assert not (api.folder / "runs").exists()
    assert api.post("deployments/filter", deployments={"name": {"any_": ["wrong"]}}) == []


def test_without_a_pipeline_it_asks_for_one(api: Api) -> None:
    assert "no pipeline given" in api.here("deploy", expect=1)


def test_a_schedule_needs_all_values(api: Api, pipeline: Path) -> None:
    job = yaml.safe_load(pipeline.read_text())
    del job["inputs"]["files"]["path"]
    pipeline.write_text(yaml.safe_dump(job))
    output = api.here("deploy", pipeline, "--name", "asks", "--cron", "1 * * * *", expect=2)
    assert "inputs.files" in output
    assert "--param files=..." in output
    api.here("deploy", pipeline, "--name", "asks")
    schema = api.deployment("sales - returns", "asks")["parameter_openapi_schema"]
    assert schema["required"] == ["files"]


def test_without_a_server_it_says_what_to_do(pipeline: Path, tmp_path: Path) -> None:
    nowhere = Api("", tmp_path)
    assert "prefect server start" in nowhere.command("deploy", pipeline, expect=1)
    unreachable = Api("http://127.0.0.1:1/api", tmp_path)
    assert "http://127.0.0.1:1/api does not answer" in unreachable.command(
        "deploy", pipeline, expect=1
    )


def test_a_store_that_cannot_be_written_to(api: Api, pipeline: Path) -> None:
    (api.folder / "file").touch()
    said = api.here("deploy", pipeline, "--output-dir", "file/runs", expect=1)
    assert "the snapshot cannot be written to" in said
    assert "--output-dir" in said


def archive(file: Path, *members: tarfile.TarInfo) -> dict[str, str]:
    from prefect_parallel.flow.run_directories.archive import digest_of

    with tarfile.open(file, "w:gz") as tar:
        for member in members:
            tar.addfile(member)
    return {"snapshot": str(file), "sha256": digest_of(file)}


def member(name: str, **more: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in more.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize(
    "members",
    [
        [member("../outside")],
        [member("a", type=tarfile.SYMTYPE, linkname="../.."), member("a/outside")],
        [member("outside", type=tarfile.SYMTYPE, linkname="/etc/passwd")],
        [member("device", type=tarfile.CHRTYPE)],
    ],
)
def test_a_snapshot_cannot_leave_its_folder(
    tmp_path: Path, members: list[tarfile.TarInfo], monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect_parallel.deploy.snapshots import SnapshotFailed

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(SnapshotFailed, match="cannot be unpacked"):
        pull_snapshot(**archive(tmp_path / "bad", *members))
    assert not list(tmp_path.rglob("outside"))
    assert not list((tmp_path / "cache/prefect-parallel/snapshots").iterdir())


def test_a_snapshot_that_is_not_the_one_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect_parallel.deploy.snapshots import SnapshotFailed

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    stored = archive(tmp_path / "good", member("a"))
    archive(tmp_path / "good", member("b"))
    with pytest.raises(SnapshotFailed, match="not the file that was stored"):
        pull_snapshot(**stored)
    with pytest.raises(SnapshotFailed, match="not the SHA-256"):
        pull_snapshot(stored["snapshot"], "../" * 20)
    with pytest.raises(SnapshotFailed, match="cannot be read"):
        pull_snapshot(str(tmp_path / "none"), stored["sha256"])
