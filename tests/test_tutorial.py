"""The tutorial works: write its files, run its commands in order, compare their output."""

from __future__ import annotations

import dataclasses
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from prefect_parallel import load_pipeline
from prefect_parallel.job import resolve

DOCS = Path(__file__).parents[1] / "docs"
TUTORIAL = (DOCS / "tutorial.md").read_text()

FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)

SERVER = "http://127.0.0.1:4200/api"
"""The address in the tutorial; the tests replace it by that of their own server."""
STARTS_SERVER = "prefect server start\n"
IN_ANOTHER_TERMINAL = "prefect worker start --pool laptop\n"
AFTER_CTRL_C = "prefect deployment delete"
"""Runs after the worker has ended, which would create its deleted work pool again."""

FAILS = {"prefect-parallel validate pipeline.yml --set": 2, "prefect-parallel debug": 1}
"""Start of each command that is expected to fail, and its exit status."""


@dataclass
class Command:
    """A block of commands, and the output shown below it."""

    text: str
    shown: str = ""

    @property
    def status(self) -> int:
        return next((s for begin, s in FAILS.items() if self.text.startswith(begin)), 0)

    @property
    def typed(self) -> str:
        return "".join(re.findall(r"^\(Pdb\) (.*\n)", self.shown, re.MULTILINE))

    def pattern(self) -> str:
        """Pattern of the output: `...` matches anything, white space matches any white space."""
        words = re.sub(r"^\(Pdb\) .*", "(Pdb)", self.shown, flags=re.MULTILINE).split()
        return r"\s+".join(re.escape(word).replace(r"\.\.\.", ".*") for word in words)


def write_files(page: str, folder: Path) -> None:
    """Write the files of a page; the title of a code block is the path."""
    for _, title, body in FENCE.findall(page):
        if title:
            (folder / title).parent.mkdir(parents=True, exist_ok=True)
            (folder / title).write_text(body)


def commands_of(page: str) -> list[Command]:
    """The commands of a page, in order."""
    commands: list[Command] = []
    for language, title, body in FENCE.findall(page):
        if language == "text":
            commands[-1].shown = body
        elif language == "bash" and body != STARTS_SERVER:
            commands.append(Command(body))
        else:
            assert title or body == STARTS_SERVER, f"unexpected block of {language}"
    return commands


def shell_script(commands: list[Command], said: Path, server: str) -> str:
    """One script with all commands, so that `cd` and `export` stay in effect."""
    lines = []
    for number, command in enumerate(commands):
        (said / f"{number}.in").write_text(command.typed)
        text = command.text.replace(SERVER, server)
        if command.text == IN_ANOTHER_TERMINAL:
            text = text.replace("\n", " &\n")
        elif command.text.startswith(AFTER_CTRL_C):
            lines.append("kill -KILL %1; wait")
        lines.append(
            f"{{\n{text}}} < {said}/{number}.in > {said}/{number}.out 2>&1\n"
            f"echo $? > {said}/{number}.status"
        )
    return "\n".join(lines)


@pytest.fixture
def server_as_it_was(server: str) -> Iterator[str]:
    yield server
    for path in ("deployments/name/meters/nightly", "work_pools/laptop"):
        answer = httpx.get(f"{server}/{path}", timeout=240)
        if answer.is_success:
            own = path if path.startswith("work_pools") else f"deployments/{answer.json()['id']}"
            httpx.delete(f"{server}/{own}", timeout=240).raise_for_status()


def test_the_tutorial_does_what_it_says(server_as_it_was: str, tmp_path: Path) -> None:
    work, said = tmp_path / "meters", tmp_path / "said"
    said.mkdir()
    write_files(TUTORIAL, work)
    commands = commands_of(TUTORIAL)
    assert len(commands) > 12
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {
        "PATH": path,
        "PREFECT_API_URL": server_as_it_was,
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    subprocess.run(
        ["bash", "-c", shell_script(commands, said, server_as_it_was)],
        cwd=tmp_path,
        env={**os.environ, **variables},
        timeout=1200,
        check=False,
    )
    for number, command in enumerate(commands):
        output = (said / f"{number}.out").read_text()
        status = (said / f"{number}.status").read_text()
        assert int(status) == command.status, f"{command.text}\n{output}"
        assert re.search(command.pattern(), output, re.DOTALL), (
            f"{command.text}\n{output}\n{command.shown}"
        )


def test_the_pipeline_in_python_is_that_of_the_tutorial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for page in (TUTORIAL, (DOCS / "python.md").read_text()):
        write_files(page, tmp_path)
    (tmp_path / "readings").mkdir()
    monkeypatch.chdir(tmp_path)
    in_python = resolve(runpy.run_path("meters.py")["job"])
    in_yaml = resolve(load_pipeline("pipeline.yml"))
    (ours,), (its,) = in_python.steps.values(), in_yaml.steps.values()
    # In Python, the pipeline itself has the output, too.
    assert ours.outputs.keys() == its.outputs.keys()
    assert dataclasses.replace(ours, outputs=its.outputs) == its
