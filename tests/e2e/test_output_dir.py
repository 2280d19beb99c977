"""`mini_batch_context.output_dir`: files of scripts, of each mini-batch exactly once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Pipeline

SCRIPT = """
    # Writes two files per input file, and then does what that says.
    import os, signal, subprocess, time
    from pathlib import Path

    def run(mini_batch, context):
        tried = Path(os.environ["TRIED"])
        for path in map(Path, mini_batch):
            first = not (tried / path.stem).exists()
            (tried / path.stem).touch()
            context.output_dir.joinpath(path.stem).mkdir(parents=True)
            for name in ("a.bin", "b.bin"):
                (context.output_dir / path.stem / name).write_text(f"{path.stem} {first}")
            what = path.read_text()
            if what == "fails last":
                while not list(tried.parent.glob("*/runs/run/steps/step/parts/000000.part")):
                    time.sleep(0.05)
            if what in ("fails", "fails last") or what == "fails once" and first:
                raise ValueError("no")
            if what == "killed once" and first:
                os.kill(os.getpid(), signal.SIGKILL)
            if what == "hangs once" and first:
                time.sleep(600)
            if what == "same":
                (context.output_dir / "model").write_text(path.stem)
        return [path.stem for path in map(Path, mini_batch)]
"""
FOLDERS = {
    "rows": {"type": "uri_file"},
    "models": {"type": "uri_folder"},
}


@pytest.fixture
def models(pipeline: Any, tmp_path: Path) -> Any:
    """Factory of pipelines with an output `models`, and a file for each text."""
    (tmp_path / "tried").mkdir()

    def make(*texts: str, script: str = SCRIPT, **keys: Any) -> Pipeline:
        variables = {"TRIED": str(tmp_path / "tried")}
        keys = {"outputs": FOLDERS, "environment_variables": variables, **keys}
        it: Pipeline = pipeline(script, files=len(texts), **keys)
        it.change("jobs.step.task.append_row_to", "${{outputs.rows}}")
        for number, text in enumerate(texts):
            (it.folder / "data" / f"{number:03d}.txt").write_text(text)
        return it

    return make


def files(it: Pipeline, output: str = "models") -> dict[str, str]:
    folder = it.step / "outputs" / output
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in found}


def of(number: int, *, first: bool = True) -> dict[str, str]:
    return {f"{number:03d}/{name}.bin": f"{number:03d} {first}" for name in "ab"}


def test_files_of_attempts_that_fail_are_not_in_the_output(models: Any) -> None:
    retries = {"max_retries": 1, "timeout": 10}
    it: Pipeline = models(
        "", "fails once", "killed once", "hangs once", "fails", retry_settings=retries
    )
    it.call()
    again = {**of(1, first=False), **of(2, first=False), **of(3, first=False)}
    assert files(it) == {**of(0), **again}
    assert not (it.step / "output_dirs").exists()
    # What has changed or is missing runs again; what has been removed from the input is gone.
    (it.folder / "data" / "004.txt").unlink()
    (it.folder / "data" / "000.txt").write_text("changed")
    (it.step / "outputs" / "models" / "001" / "a.bin").unlink()
    said = it.call(resume=True)
    assert "2 of 4 mini-batches are reused" in said
    assert "1 have other data, 1 have written files that are missing or have changed" in said
    assert "2 mini-batches to run on" in said
    assert files(it) == {**of(0, first=False), **again}


def test_files_with_the_same_name_fail_the_step(models: Any) -> None:
    it: Pipeline = models("same", "", "same")
    said = it.call(expect="Failed")
    assert "file model of mini-batch 2 in output_dir clashes with a file of mini-batch 0" in said
    assert files(it) == {}
    assert not (it.step / "outputs" / "rows").exists()


def test_results_with_files_are_not_reused_by_other_runs(models: Any) -> None:
    it: Pipeline = models("", "fails last", outputs={"rows": {"type": "uri_folder"}})
    it.change("jobs.step.mini_batch_error_threshold", 0)
    it.call(expect="Failed")
    assert files(it, "rows") == {}
    it.step.parents[1].rename(it.step.parents[2] / "failed")
    (it.folder / "data" / "001.txt").write_text("")
    said = it.call(reuse=True)
    why = "1 of a script that has written to the outputs itself, 1 have other data"
    assert f"0 of 2 mini-batches are reused; {why}" in said
    rows = {"parallel_run_step.txt": "000\n001\n"}
    assert files(it, "rows") == {**of(0, first=False), **of(1, first=False), **rows}
