"""Secrets and variables of the Prefect server in the environment of scripts and commands."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.variables import Variable

from prefect_parallel import compile_pipeline
from prefect_parallel.errors import InvalidPipeline
from tests.e2e.conftest import COMMAND, Pipeline

MARK = "pa55-8c1f-word"
"""A part of the secret that JSON, YAML and URLs do not escape."""

SECRET = f"{MARK}-ü-{{{{ prefect.variables.other }}}}-$(x)"

TELL = """
    import hashlib, os, time
    def init():
        while os.path.exists(os.environ["HOLD"]):
            time.sleep(0.05)
    def run(mini_batch):
        told = [os.environ[name] for name in ("TOKEN", "URL", "REGION", "COUNT", "PLAIN")]
        return [hashlib.sha256("|".join(told).encode()).hexdigest() for _ in mini_batch]
"""

VARIABLES = {
    "TOKEN": "{{ prefect.blocks.secret.my-token }}",
    "URL": "https://user:{{prefect.blocks.secret.my-token}}@example.org",
    "REGION": "{{ prefect.variables.my_region }}",
    "COUNT": "{{  prefect.variables.my_count  }}",
    "PLAIN": "{{ not_ours }}",
    "HOLD": "no such file",
}
RESOLVED = f"{SECRET}|https://user:{SECRET}@example.org|west|5|{{{{ not_ours }}}}"


@pytest.fixture
def kept(server: str) -> None:
    """A secret and variables on the server."""
    with temporary_settings({PREFECT_API_URL: server}):
        Secret(value=SECRET).save("my-token", overwrite=True)
        Secret(value="a\0b").save("with-nul", overwrite=True)
        Variable.set("my_list", ["a"], overwrite=True)
        Variable.set("my_region", "west", overwrite=True)
        Variable.set("my_count", 5, overwrite=True)
        Variable.set("other", "must not be looked up", overwrite=True)


def holding(folder: Path, text: str) -> list[Path]:
    """The files below a folder that contain a text."""
    wanted = text.encode()
    return [path for path in folder.rglob("*") if path.is_file() and wanted in path.read_bytes()]


def command_lines() -> str:
    lines = []
    for process in psutil.process_iter():
        try:
            lines.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return "\n".join(lines)


@pytest.mark.usefixtures("kept")
def test_scripts_and_commands_get_them_and_nobody_else_does(pipeline: Any, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    variables = {**VARIABLES, "HOLD": str(hold)}
    it: Pipeline = pipeline(TELL, files=2, environment_variables=variables)
    job = yaml.safe_load(it.file.read_text())
    job["jobs"]["say"] = {
        "type": "command",
        "outputs": {"told": {"type": "uri_file"}},
        "command": 'printf %s "$TOKEN|$URL|$REGION|$COUNT|$PLAIN" | sha256sum > ${{outputs.told}}',
        "environment": "azureml:any:1",
        "environment_variables": VARIABLES,
    }
    it.file.write_text(yaml.safe_dump(job))
    process = it.start("--verbose")
    seen, said = "", None
    while said is None:
        seen += command_lines()
        if "entry.process_main" in seen:
            hold.unlink(missing_ok=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            said, _ = process.communicate(timeout=0.2)
    assert process.returncode == 0, said
    told = hashlib.sha256(RESOLVED.encode()).hexdigest()
    assert it.output.read_text() == f"{told}\n{told}\n"
    assert (it.step.parent / "say" / "outputs" / "told").read_text().startswith(told)

    assert MARK not in said
    assert not hold.exists()
    assert MARK not in seen
    run = it.folder / "runs" / "run"
    assert holding(run, MARK) == []
    assert holding(run, "{{ prefect.blocks.secret.my-token }}") == [run / "job.yml"]
    assert holding(run, "my-token") != []
    assert (run / "logs" / "report.html").exists()
    # What the server has: states, logs, artifacts, events, and the block, encrypted.
    home = Path(os.environ["PREFECT_HOME"])
    assert holding(home, "my-token") != []
    assert holding(home, MARK) == []


@pytest.mark.usefixtures("kept")
def test_what_changes_is_the_template_not_the_secret(pipeline: Any, server: str) -> None:
    it: Pipeline = pipeline(TELL, files=2, environment_variables=VARIABLES)
    it.call()
    with temporary_settings({PREFECT_API_URL: server}):
        Secret(value="another").save("my-token", overwrite=True)
    assert "2 of 2 mini-batches are reused" in it.call(resume=True)
    it.change("jobs.step.environment_variables.TOKEN", "{{ prefect.variables.my_region }}")
    assert "0 of 2 mini-batches are reused" in it.call(resume=True)


@pytest.mark.usefixtures("kept")
def test_unknown_ones_are_named_before_anything_runs(pipeline: Any) -> None:
    unknown = {
        "A": "{{ prefect.blocks.secret.my-tokn }}",
        "B": "{{ prefect.blocks.sekret.my-token }}",
        "C": "{{ prefect.blocks.secret.my-token.key }}",
        "D": "{{ prefect.variables.my_regoin }}",
        "E": "{{ prefect.blocks.secret.with-nul }}",
        "F": "{{ prefect.variables.my_list }}",
    }
    it: Pipeline = pipeline(TELL, environment_variables=unknown)
    output = it.run(expect=2)
    said = [
        "no block 'my-tokn' of type 'secret'",
        "hint: did you mean my-token?",
        "no block 'my-token' of type 'sekret'",
        "hint: there are none",
        "{{ prefect.blocks.secret.my-token.key }}: the block has no such value",
        "no variable 'my_regoin'",
        "hint: did you mean my_region?",
        "{{ prefect.blocks.secret.with-nul }} has a NUL character",
        "{{ prefect.variables.my_list }} is of type list",
    ]
    assert all(part in output for part in said), output
    assert all(f"jobs.step.environment_variables.{name}: " in output for name in unknown)
    assert output.count(f"{it.file}:") == 6
    assert MARK not in output
    assert "Traceback" not in output
    assert not (it.folder / "runs").exists()


@pytest.mark.usefixtures("kept")
def test_the_value_of_an_input_is_no_template(pipeline: Any, server: str) -> None:
    it: Pipeline = pipeline(
        """
        import os
        def init(): pass
        def run(mini_batch): return [os.environ["NAME"]] * len(mini_batch)
        """,
        files=1,
        environment_variables={"NAME": "${{parent.inputs.name}}"},
    )
    it.change("inputs", {"name": "nobody"})
    with temporary_settings({PREFECT_API_URL: server}):
        flow = compile_pipeline(it.file, output_dir=it.folder / "runs", name="run")
        flow(name="{{ prefect.blocks.secret.my-token }}")
    assert it.output.read_text() == "{{ prefect.blocks.secret.my-token }}\n"


@pytest.mark.usefixtures("kept")
def test_a_flow_in_python_and_the_debugger_get_them(
    pipeline: Any, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it: Pipeline = pipeline(TELL, files=1, environment_variables=VARIABLES)
    told = hashlib.sha256(RESOLVED.encode()).hexdigest()
    with temporary_settings({PREFECT_API_URL: server}):
        compile_pipeline(it.file, output_dir=it.folder / "runs", name="run")()
        assert it.output.read_text() == f"{told}\n"
        it.change("jobs.step.environment_variables.TOKEN", "{{ prefect.variables.no }}")
        with pytest.raises(InvalidPipeline, match="no variable 'no'"):
            compile_pipeline(it.file, output_dir=it.folder / "runs", name="bad")()
    it.change("jobs.step.environment_variables.TOKEN", VARIABLES["TOKEN"])
    debug = ["debug", str(it.file), "--step", "step", "--mini-batch", "0", "--no-pdb"]
    ended = subprocess.run(
        [*COMMAND, *debug], env=it.environment, capture_output=True, text=True, check=True
    )
    assert told in ended.stdout
