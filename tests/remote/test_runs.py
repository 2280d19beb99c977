"""Runs with remote data, models and outputs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.conftest import COMMAND, Pipeline, write_pipeline
from tests.remote.conftest import Store

SECRET = "a-secret-that-nobody-may-see"

SCRIPT = """
    import os, sys
    def init():
        global model
        folder = sys.argv[sys.argv.index("--model") + 1]
        model = open(os.path.join(folder, "deep", "weights")).read()
    def run(mini_batch):
        return [f"{os.path.basename(os.path.dirname(path))} {open(path).read()} {model}"
                for path in mini_batch]
"""


def write_job(folder: Path, server: str, store: Store) -> Pipeline:
    """A command step and a parallel step, both with remote inputs."""
    it = write_pipeline(folder, server, SCRIPT, arguments="--model ${{inputs.model}}")
    job = yaml.safe_load(it.file.read_text())
    step = job["jobs"]["step"]
    step["inputs"] = {
        "files": {"type": "uri_folder", "path": "azureml://datastores/store/paths/pictures"},
        "model": {"type": "uri_folder", "path": "azureml:model@latest"},
    }
    step["outputs"]["out"]["path"] = "azureml://datastores/store/paths/published/${{name}}.txt"
    job["jobs"]["look"] = {
        "type": "command",
        "command": 'cat "$FILE" > ${{outputs.copy}} && echo ${{inputs.uri}}',
        "environment_variables": {"FILE": "${{inputs.file}}"},
        "inputs": {
            "file": {"type": "uri_file", "path": "azureml://datastores/store/paths/note.txt"},
            "uri": {"type": "uri_folder", "path": "s3://some/where", "mode": "direct"},
        },
        "outputs": {"copy": {"type": "uri_file"}},
        "environment": "azureml:any:1",
    }
    it.file.write_text(yaml.safe_dump(job))
    options = {**store.options, "secret": SECRET}
    asset = {"type": "uri_folder", "path": "azureml://datastores/store/paths/model"}
    known = {
        "datastores": {"store": {"url": store.url, "storage_options": options}},
        "assets": {"model": {1: {**asset, "path": "./gone"}, 2: asset}},
    }
    (it.folder / "stores.yml").write_text(yaml.safe_dump(known))
    return it


def run(
    it: Pipeline, *arguments: str, command: str = "run", of: str | None = None, expect: int = 0
) -> str:
    done = subprocess.run(
        [*COMMAND, command, of or str(it.file), "--datastores", "stores.yml", *arguments],
        cwd=it.folder,
        env={**it.environment, "XDG_CACHE_HOME": str(it.folder / "cache")},
        capture_output=True,
        text=True,
        timeout=480,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == expect, said
    assert SECRET not in said
    return said


def test_a_remote_run_is_resumed(tmp_path: Path, server: str, s3: Store) -> None:
    it = write_job(tmp_path, server, s3)
    for name in ("cats/1", "cats/2", "dogs/3", "dogs/4"):
        s3.write(f"pictures/{name}", name[-1].encode())
    s3.write("model/deep/weights", b"v1")
    s3.write("note.txt", b"read me")
    remote = "azureml://datastores/store/paths/runs"

    said = run(it, "--output-dir", remote, "--name", "first")
    assert "output  azureml://datastores/store/paths/published/first.txt\n" in said
    assert f"output  {remote}/first/steps/look/outputs/copy\n" in said
    files = s3.files()
    found = {name: content for name, content in files.items() if name.startswith("runs/")}
    step = "runs/first/steps/step"
    assert found[f"{step}/outputs/out"] == b"cats 1 v1\ncats 2 v1\ndogs 3 v1\ndogs 4 v1\n"
    assert files["published/first.txt"] == found[f"{step}/outputs/out"]
    assert found["runs/first/steps/look/outputs/copy"] == b"read me"
    assert found["runs/first/steps/look/logs/std_log.txt"] == b"s3://some/where\n"
    assert b"Completed" in found[f"{step}/logs/job_result.txt"]
    here = next(iter((it.folder / "cache").rglob("first")))
    assert not list(here.rglob("fetched"))
    # Neither in what a run leaves, nor in what its processes were told.
    everything = [*found.values(), *(p.read_bytes() for p in here.rglob("*") if p.is_file())]
    assert not any(SECRET.encode() in content for content in everything)

    assert "exists already" in run(it, "--output-dir", remote, "--name", "first", expect=2)

    debugged = run(it, "--step", "step", "--mini-batch", "2", "--no-pdb", command="debug")
    assert "['dogs 3 v1']" in debugged
    planned = run(it, "--output-dir", remote, "--reuse", command="plan")
    assert "4 of 4 mini-batches are reused from first" in planned
    earlier = ("--output-dir", remote)
    assert "s3://some/where" in run(it, "--step", "look", *earlier, command="logs", of="first")
    assert str(here) in run(it, *earlier, command="report", of="first").replace("\n", "")

    # Another machine, on which the same paths lead to the same places.
    shutil.rmtree(it.folder / "cache")
    s3.write("pictures/dogs/4", b"four")
    said = run(it, "--output-dir", remote, "--resume", "first")
    assert "3 of 4 mini-batches are reused; 1 have other data" in said
    assert "completed in an earlier run" in said
    assert s3.files()[f"{step}/outputs/out"].endswith(b"dogs four v1\n")

    # The runs that this machine has are looked at, and one that is named is downloaded.
    s3.write("pictures/birds/0", b"0")
    said = run(it, "--output-dir", remote, "--name", "second", "--reuse")
    assert "4 of 5 mini-batches are reused from first; 1 new" in said
    assert "look: not reused: input uri may have changed without" in said
    files = s3.files()
    assert len([name for name in files if name.startswith("runs/second/steps/step/parts/")]) == 5
    assert files["published/second.txt"].startswith(b"birds 0 v1\ncats 1 v1\n")
    shutil.rmtree(it.folder / "cache")
    said = run(it, "--output-dir", remote, "--name", "third", "--reuse", "second")
    assert "5 of 5 mini-batches are reused from second" in said
    assert s3.files()["published/third.txt"] == files["published/second.txt"]
    shutil.rmtree(it.folder / "cache")
    s3.remove("runs/second")
    said = run(it, "--output-dir", remote, "--name", "fourth", "--reuse", "second", expect=2)
    assert "runs/second: there is no such run" in said


def test_storage_that_cannot_be_written_to(tmp_path: Path, server: str, s3: Store) -> None:
    it = write_job(tmp_path, server, s3)
    s3.write("pictures/1", b"1")
    s3.write("model/deep/weights", b"v1")
    s3.write("note.txt", b"")
    known = yaml.safe_load((it.folder / "stores.yml").read_text())
    bad = {**known["datastores"]["store"], "url": "s3://no-such-bucket"}
    known["datastores"]["bad"] = bad
    (it.folder / "stores.yml").write_text(yaml.safe_dump(known))
    said = run(
        it, "--output-dir", "azureml://datastores/bad/paths/runs", "--name", "first", expect=1
    )
    assert "the run cannot be uploaded to azureml://datastores/bad/paths/runs/first" in said
    assert said.count("resume the run: it uploads what is missing") == 1
    assert list((it.folder / "cache").rglob("job.yml"))


def test_names_are_checked_before_anything_runs(tmp_path: Path, server: str, s3: Store) -> None:
    it = write_job(tmp_path, server, s3)

    def validate(*arguments: str) -> Any:
        return subprocess.run(
            [*COMMAND, "validate", str(it.file), *arguments],
            cwd=it.folder,
            env=it.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert validate().returncode == 0
    assert validate("--datastores", "stores.yml").returncode == 0
    it.file.write_text(it.file.read_text().replace("datastores/store/", "datastores/stor/"))
    done = validate("--datastores", "stores.yml")
    assert done.returncode == 2
    assert "jobs." in done.stdout
    assert "unknown datastore 'stor'" in done.stdout
    assert "hint: did you mean store?" in done.stdout
    (it.folder / "stores.yml").write_text("datastores: {a: {uri: s3://x}}\nasset: {}\n")
    done = validate("--datastores", "stores.yml")
    assert done.returncode == 2
    assert "stores.yml:1:18: datastores.a.uri: unknown key" in done.stderr
    assert "did you mean assets?" in done.stderr
