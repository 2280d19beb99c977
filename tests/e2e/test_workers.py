"""A run without nodes: prepared, worked on, finished."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from prefect_parallel.output.run_result import RunResult
from tests.e2e.conftest import COMMAND, Pipeline
from tests.waiting import wait_until

SCRIPT = """
    import os, time
    from pathlib import Path

    def init(): pass
    def run(mini_batch, context):
        (name,) = [os.path.basename(path) for path in mini_batch]
        (context.output_dir / name).write_text(str(os.getpid()))
        if name == "001.txt" and Path("hang").exists():
            print("hangs")
            time.sleep(600)
        return [name.upper()]
"""


def command(it: Pipeline, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=it.folder,
        env=it.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said_by(process: subprocess.Popen[str], *, expect: int = 0) -> str:
    said, _ = process.communicate(timeout=240)
    assert process.returncode == expect, said
    return said


def add_commands(it: Pipeline) -> None:
    """A command before the step, which writes its data, and one after it."""
    job = yaml.safe_load(it.file.read_text())
    step = job["jobs"]["step"]
    write = "for i in 0 1 2 3; do touch ${{outputs.data}}/00$i.txt; done; date +%N > calls"
    job["jobs"] = {
        "before": {
            "type": "command",
            "command": write,
            "environment": "azureml:any:1",
            "outputs": {"data": {"type": "uri_folder"}},
        },
        "step": step,
        "after": {
            "type": "command",
            "environment": "azureml:any:1",
            "command": "wc -l < ${{inputs.lines}} > ${{outputs.count}}",
            "inputs": {"lines": "${{parent.jobs.step.outputs.out}}"},
            "outputs": {"count": {"type": "uri_file"}},
        },
    }
    step["inputs"]["files"] = "${{parent.jobs.before.outputs.data}}"
    it.file.write_text(yaml.safe_dump(job, sort_keys=False))


def test_a_run_is_prepared_worked_on_and_finished(pipeline: Any) -> None:
    it = pipeline(SCRIPT, outputs={"out": {"type": "uri_file"}, "models": {"type": "uri_folder"}})
    add_commands(it)
    (it.folder / "code" / "hang").touch()
    root = str(it.folder / "runs" / "run")
    calls = Path(root, "steps", "before", "code", "calls")

    def status() -> str:
        return RunResult.read(Path(root, "result.yml")).status

    said = it.run("--workers", "0")
    assert "4 mini-batches to run: start workers with prefect-parallel work" in said
    assert (status(), it.result["status"]) == ("Prepared", "Prepared")
    before = calls.read_text()

    killed = command(it, "work", root, "--lease-seconds", "600")
    it.wait_for("hangs", 1)
    wait_until(lambda: len(list((it.step / "parts").glob("*.part"))) == 3)
    refused = it.run("--workers", "0", "--resume", "run", expect=2)
    assert "1 worker running" in refused
    killed.kill()
    killed.wait()
    # As after those 600 s.
    for heartbeat in Path(root, "workers").iterdir():
        os.utime(heartbeat, (0, 0))
    # The run has a snapshot of its code and a plan: changes meanwhile have no effect.
    (it.folder / "code" / "script.py").write_text("def run(mini_batch): 1 / 0")
    (it.step / "code" / "hang").unlink()
    said = said_by(command(it, "finish", root), expect=1)
    assert "1 of 4 mini-batches have no result yet" in said
    assert status() == "Prepared"

    assert "ran 1 mini-batch, all are done" in said_by(command(it, "work", root))
    said_by(command(it, "finish", root))
    assert it.output.read_text() == "000.TXT\n001.TXT\n002.TXT\n003.TXT\n"
    models = [path.name for path in (it.step / "outputs" / "models").iterdir()]
    assert sorted(models) == ["000.txt", "001.txt", "002.txt", "003.txt"]
    assert Path(root, "steps/after/outputs/count").read_text().strip() == "4"
    assert (status(), it.result["mini_batches"]["succeeded"]) == ("Completed", 4)
    assert calls.read_text() == before, "the command ran again"
    assert "no step of" in said_by(command(it, "work", root), expect=1)
    assert it.left_over() == []
