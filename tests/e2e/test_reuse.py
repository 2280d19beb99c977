"""`--reuse`: what earlier runs have done is taken over, and nothing else."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.variables import Variable

from prefect_parallel import PipelineResult, compile_pipeline
from prefect_parallel.cli.plan import plan_pipeline
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.run_options import RunOptions
from prefect_parallel.layout import RunDirectory, UnusableRunDirectory
from tests.e2e.conftest import Pipeline
from tests.waiting import wait_until

SCRIPT = """
    # Each call leaves a line; that of c waits while there is a file "hold".
    import os, pathlib, time
    HOLD = pathlib.Path(os.environ["CALLS"]).with_name("hold")

    def run(mini_batch):
        while "/c.txt" in mini_batch[0] and os.path.exists(HOLD):
            time.sleep(0.02)
        with open(os.environ["CALLS"], "a") as calls:
            calls.write(" ".join(os.path.basename(each) for each in mini_batch) + "\\n")
        return [f"{os.path.basename(each)} {pathlib.Path(each).read_text()}" for each in mini_batch]
"""


class Notes(Observer):
    def __init__(self, then: Callable[[], object]) -> None:
        self.notes: list[str] = []
        self.then = then

    def noted(self, step: str, text: str) -> None:
        self.notes.append(f"{step}: {text}")
        self.then()


class Nightly:
    """A pipeline that runs again and again below one output directory."""

    def __init__(self, it: Pipeline, calls: Path) -> None:
        self.it = it
        self.calls = calls
        self.after_note: Callable[[], object] = lambda: None
        self.runs = it.folder / "runs"

    def run(
        self, name: str, *overrides: str, reuse: bool | str = True, **options: Any
    ) -> list[str]:
        """Run it; returns what was noted, after which `new` has the mini-batches that ran."""
        self.calls.write_text("")
        observer = Notes(self.after_note)
        with temporary_settings({PREFECT_API_URL: self.it.server}):
            self.result: PipelineResult = compile_pipeline(
                self.it.file,
                overrides=overrides,
                output_dir=self.runs,
                name=name,
                reuse=reuse,
                observer=observer,
                task_run_seconds=60,
                **options,
            )()
        return observer.notes

    @property
    def new(self) -> list[str]:
        return sorted(self.calls.read_text().splitlines())

    def output(self, name: str) -> str:
        return (self.runs / name / "steps" / "step" / "outputs" / "out").read_text()

    def reuse(self, name: str) -> tuple[int, str]:
        file = self.runs / name / "steps" / "step" / "logs" / "job_result.txt"
        result = yaml.safe_load(file.read_text())
        return result["reused"], result["reuse"]

    def parts(self, name: str) -> list[Path]:
        return sorted((self.runs / name / "steps" / "step" / "parts").glob("*.part"))

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.it.folder / "data" / f"{name}.txt").write_text(text)


@pytest.fixture
def nightly(pipeline: Any, tmp_path: Path) -> Any:
    calls = tmp_path / "calls.txt"

    def make(names: Sequence[str], **keys: Any) -> Nightly:
        variables = {"CALLS": str(calls)}
        made = Nightly(pipeline(SCRIPT, files=0, environment_variables=variables, **keys), calls)
        made.write(**dict.fromkeys(names, "first"))
        return made

    return make


def test_each_night_only_new_files_are_run_with_the_output_of_a_run_from_scratch(
    nightly: Any,
) -> None:
    it: Nightly = nightly("aceg")
    assert it.run("one") == [
        "step: 0 of 4 mini-batches are reused; 4 new (there is no earlier run of this pipeline)"
    ]
    it.write(d="second")
    text = "4 of 5 mini-batches are reused from one; 1 new"
    assert it.run("two") == [f"step: {text}"]
    assert it.new == ["d.txt"]
    assert it.reuse("two") == (4, text)
    assert [part.stat().st_nlink for part in it.parts("two")] == [2, 2, 1, 2, 2]
    it.write(b="third", e="changed")
    # A run is complete without those that it was made from.
    shutil.rmtree(it.runs / "one")
    text = "4 of 6 mini-batches are reused from two; 1 new, 1 have other data"
    assert it.run("three") == [f"step: {text}"]
    assert it.new == ["b.txt", "e.txt"]
    assert it.run("scratch", reuse=False) == []
    assert len(it.new) == 6
    assert it.output("three") == it.output("scratch")
    # All of it, of two runs; a run that is named is the only one that is looked at.
    shutil.rmtree(it.runs / "scratch")
    assert "6 of 6 mini-batches are reused from three" in it.run("four")[0]
    assert it.output("four") == it.output("three")
    assert "4 of 6 mini-batches are reused from two; " in it.run("five", reuse="two")[0]
    # The pipeline's setting wins.
    it.it.change("settings", {"force_rerun": True})
    assert it.run("six") == []
    it.it.change("settings", {"force_rerun": False})
    assert "6 of 6 mini-batches" in it.run("seven", reuse=False)[0]


def test_why_mini_batches_are_not_reused(nightly: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    it: Nightly = nightly("abc")
    it.run("one")
    argument = "jobs.step.task.program_arguments=--other 1"
    assert (
        "0 of 3 mini-batches are reused; 3 ran with other arguments" in it.run("two", argument)[0]
    )
    # Of the newest run that fits, which is not the newest one.
    assert "3 of 3 mini-batches are reused from one" in it.run("three")[0]
    it.parts("three")[0].unlink()
    os.truncate(it.parts("three")[1], it.parts("three")[1].stat().st_size - 1)
    # Linked: the same file is truncated in all runs that have it.
    damaged = (
        "2 of 3 mini-batches are reused (1 from three, 1 from one); 1 have a result that is dam"
    )
    assert damaged in it.run("four")[0]
    script = it.it.folder / "code" / "script.py"
    script.write_text(script.read_text() + "\n# changed\n")
    assert "3 ran with other code (script.py)" in it.run("five")[0]
    site = it.it.folder / "site-packages"
    (site / "added-1.0.dist-info").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(site))
    assert "3 ran with other packages (added none -> 1.0)" in it.run("six")[0]
    named = "jobs.step.task.program_arguments=--to ${{outputs.out}}"
    assert "3 of a script that may write to ${{outputs.out}} itself" in it.run("seven", named)[0]
    (it.runs / "six" / "steps" / "step" / "outputs" / "model.bin").touch()
    shutil.rmtree(it.runs / "seven")
    written = "3 of a script that has written to the outputs itself"
    assert written in it.run("eight", reuse="six")[0]


def test_compositions_of_files_are_kept_and_plan_says_what_is_reused(
    nightly: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    it: Nightly = nightly("acegi", mini_batch_size="2")
    it.run("one")
    it.write(b="second", d="second", f="second")
    (it.it.folder / "data" / "g.txt").unlink()
    # [a c] stays; [e g] has lost a file; [i] stays; the files that are left are b, d, e, f.
    words = "2 of 4 mini-batches are reused from one; 1 new, 1 have other data"
    options = RunOptions(output_dir=it.runs, reuse=True)
    plan_pipeline(it.it.file, [], options)
    said = capsys.readouterr().out
    assert f"reuse        {words}\n   time         about" in said
    assert it.run("two") == [f"step: {words}"]
    assert it.new == ["b.txt d.txt", "e.txt f.txt"]
    names = [line.split()[0] for line in it.output("two").splitlines()]
    assert names == ["a.txt", "c.txt", "b.txt", "d.txt", "e.txt", "f.txt", "i.txt"]
    it.run("scratch", reuse=False)
    assert sorted(it.output("two").splitlines()) == sorted(it.output("scratch").splitlines())
    again = "4 of 4 mini-batches are reused from two"
    assert it.run("three", reuse="two") == [f"step: {again}"]


def test_steps_behind_equal_outputs_and_commands_are_reused(nightly: Any, tmp_path: Path) -> None:
    it: Nightly = nightly("ab")
    job = yaml.safe_load(it.it.file.read_text())
    command = f"echo ran >> {tmp_path}/prepared; cp -r ${{{{inputs.data}}}}/. ${{{{outputs.out}}}}"
    job["jobs"]["prepare"] = {
        "type": "command",
        "command": command,
        "environment": "azureml:any:1",
        "inputs": {"data": {"type": "uri_folder", "path": "./data"}},
        "outputs": {"out": {"type": "uri_folder"}},
    }
    prepared = "${{parent.jobs.prepare.outputs.out}}"
    job["jobs"]["step"]["inputs"]["files"] = {"type": "uri_folder", "path": prepared}
    it.it.file.write_text(yaml.safe_dump(job))
    it.run("one")
    notes = it.run("two")
    assert "step: 2 of 2 mini-batches are reused from one" in notes, notes
    assert it.result.steps["prepare"].reason == "reused from one"
    assert (tmp_path / "prepared").read_text() == "ran\n"
    # The command runs anew and writes equal bytes, at another time.
    notes = it.run("three", f"jobs.prepare.command={command}; true")
    assert "prepare: not reused from two: it ran with other command" in notes
    assert any("step: 2 of 2 mini-batches are reused" in note for note in notes)
    assert it.output("three") == it.output("one")
    # Outputs that are not those that the command wrote are not believed.
    for run in ("one", "two"):
        (it.runs / run / "steps" / "prepare" / "outputs" / "out" / "b.txt").write_text("edited")
    it.run("four")
    assert (tmp_path / "prepared").read_text() == "ran\n" * 3


def test_content_finds_a_change_with_the_same_size_and_time(nightly: Any) -> None:
    it: Nightly = nightly("ab")
    it.run("one", reuse_by="content")
    file = it.it.folder / "data" / "b.txt"
    state = file.stat()
    file.write_text("other")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert it.run("two", reuse_by="content")[0].endswith("from one; 1 have other data")
    file.touch()
    assert "2 of 2 mini-batches are reused from two" in it.run("three", reuse_by="content")[0]
    assert "2 ran with other comparison of data" in it.run("four")[0]


def test_what_a_result_depends_on_besides_its_data(nightly: Any) -> None:
    it: Nightly = nightly("ac")
    script = it.it.folder / "code" / "script.py"
    script.write_text(
        "def run(files, context):\n    return [f'{context.minibatch_index} {files[0][-5:]}']"
    )
    it.run("one")
    it.write(b="second")
    # The index of a stays, that of c does not.
    text = "1 of 3 mini-batches are reused from one; 1 new, 1 have another index"
    assert text in it.run("two")[0]
    assert it.output("two") == "0 a.txt\n1 b.txt\n2 c.txt\n"
    data = it.it.folder / "data" / "a.txt"
    before = data.stat().st_mtime_ns
    os.utime(data, ns=(0, 0))
    assert "2 of 3 mini-batches are reused from two; 1 have other data" in it.run("three")[0]
    os.utime(data, ns=(before, before))
    it.it.change("jobs.step.outputs.out.type", "uri_folder")
    it.it.change("jobs.step.task.append_row_to", "${{outputs.out}}/rows.jsonl")
    assert "3 ran with other output format" in it.run("four")[0]
    it.it.change("jobs.step.task.append_row_to", None)
    assert "3 of a script that stores its results itself" in it.run("five")[0]


def test_changes_behind_a_link_a_table_or_a_variable_of_prefect(nightly: Any) -> None:
    it: Nightly = nightly("ab")
    folder, variable = it.it.folder, f"region_{uuid4().hex}"
    for name in ("table", "model", "v1", "v2"):
        (folder / name).mkdir()
    (folder / "table" / "MLTable").write_text("paths: [{file: ../rows.csv}]\n")
    (folder / "rows.csv").write_text("first")
    latest = folder / "model" / "latest"
    latest.symlink_to(folder / "v1")
    for version in ("v1", "v2"):
        (folder / version / "weights").write_text(version)
    for name, kind in (("table", "mltable"), ("model", "uri_folder")):
        it.it.change(f"jobs.step.inputs.{name}", {"type": kind, "path": f"./{name}"})
    region = f"{{{{ prefect.variables.{variable} }}}}"
    it.it.change("jobs.step.environment_variables.REGION", region)

    def set_region(value: str) -> None:
        with temporary_settings({PREFECT_API_URL: it.it.server}):
            Variable.set(variable, value, overwrite=True)

    set_region("north")
    it.run("one")
    set_region("south")
    assert "2 ran with other environment variables (REGION)" in it.run("two")[0]
    (folder / "rows.csv").write_text("second")
    assert "2 ran with other inputs (table)" in it.run("three")[0]
    latest.unlink()
    latest.symlink_to(folder / "v2")
    assert "2 ran with other inputs (model)" in it.run("four")[0]
    assert "2 of 2 mini-batches are reused from four" in it.run("five")[0]
    uri = {"type": "uri_file", "path": "https://example.org/model", "mode": "direct"}
    it.it.change("jobs.step.inputs.uri", uri)
    assert "2 of a step whose input uri may have changed without" in it.run("six")[0]


def test_two_runs_at_once_reuse_what_the_other_has_done(nightly: Any) -> None:
    it: Nightly = nightly("abcd", max_concurrency_per_instance=1)
    hold = it.calls.with_name("hold")
    hold.touch()
    first = it.it.start("--reuse", "--task-run-seconds", "0")
    wait_until(lambda: len(it.parts("run")) == 2)
    it.after_note = hold.unlink
    assert "2 of 4 mini-batches are reused from run" in it.run("two")[0]
    said, _ = first.communicate(timeout=240)
    assert first.returncode == 0, said
    assert it.output("two") == it.output("run") == "".join(f"{name}.txt first\n" for name in "abcd")


KILLED = """
import os, signal, sys
left = int(sys.argv.pop(1))
def count(event, arguments):
    global left
    path = arguments[0] if arguments else ""
    is_write = event in ("os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir") or (
        event == "open" and arguments[1] is not None and set(str(arguments[1])) & set("wa+x")
    )
    if is_write and isinstance(path, (str, bytes, os.PathLike)) and b"/runs/" in os.fsencode(path):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
from prefect_parallel.cli import main
main()
"""
"""Runs the command, and kills it when it is about to change so many files of runs."""


@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes=st.integers(1, 120), resumes=st.booleans(), has_new=st.booleans())
def test_a_run_that_is_killed_anywhere_leaves_nothing_that_is_believed_wrongly(
    finished_nightly: Nightly, changes: int, resumes: bool, has_new: bool
) -> None:
    it = finished_nightly
    shutil.rmtree(it.runs, ignore_errors=True)
    shutil.copytree(it.it.folder / "finished", it.runs)
    shutil.rmtree(it.it.folder / "data")
    shutil.copytree(it.it.folder / "second", it.it.folder / "data")
    if has_new:
        it.write(d="second")
    name = "one" if resumes else "killed"
    killed = subprocess.run(
        [
            *(sys.executable, "-c", KILLED, str(changes), "run", str(it.it.file), "--reuse"),
            *("--resume" if resumes else "--name", name, "--task-run-seconds", "0"),
        ],
        cwd=it.it.folder,
        env=it.it.environment,
        capture_output=True,
        check=False,
    )
    assert killed.returncode in (0, -signal.SIGKILL), killed.stderr
    wait_until(lambda: not it.it.left_over())
    expected = f"b.txt second\nc.txt first\nd.txt {'second' if has_new else 'first'}\n"
    if RunDirectory(it.runs / name).job_file.exists():
        it.run(name, resume=True)
        assert it.output(name) == f"a.txt second\n{expected}"
    it.write(a="third")
    it.run("third")
    assert it.output("third") == f"a.txt third\n{expected}"


@pytest.fixture
def finished_nightly(nightly: Any) -> Nightly:
    """With a run `one` of old data, and `other` of new data, which are kept for each example."""
    it: Nightly = nightly("abcd", max_concurrency_per_instance=1)
    it.run("one")
    it.write(a="second", b="second")
    it.run("other")
    it.runs.rename(it.it.folder / "finished")
    shutil.copytree(it.it.folder / "data", it.it.folder / "second")
    return it


def test_a_run_that_does_not_exist_cannot_be_reused(nightly: Any) -> None:
    it: Nightly = nightly("a")
    with pytest.raises(UnusableRunDirectory, match=r"cannot reuse .*: there is no such run"):
        it.run("one", reuse="none")
