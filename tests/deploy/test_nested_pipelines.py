"""What a deployment stores of nested pipelines."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefect_parallel.deploy.portable import write_portable
from prefect_parallel.job import ParallelStep, load_pipeline, resolve
from tests.nested_pipelines import write_pipeline


@pytest.mark.parametrize("by_component", [False, True])
def test_it_loads_on_another_machine_with_its_overrides(tmp_path: Path, by_component: bool) -> None:
    folder = tmp_path / "here"
    file, prefix = write_pipeline(folder), "prepare."
    overrides = ["jobs.prepare.jobs.score.mini_batch_size=2"]
    if by_component:
        text = "type: pipeline\ncomponent: parts/prepare.yml\ninputs: {texts: {path: texts}}\n"
        file.write_text(text)
        prefix, overrides = "", ["jobs.score.mini_batch_size=2"]
    stored = tmp_path / "stored"
    stored.mkdir()
    write_portable(load_pipeline(file, overrides), stored, title="nested", options={})
    (folder / "parts").rename(tmp_path / "away")
    inputs = {"texts": str(folder / "texts")} if by_component else {}
    steps = resolve(load_pipeline(stored / "pipeline.yml"), inputs).steps
    score = steps[f"{prefix}score"]
    assert isinstance(score, ParallelStep)
    assert score.mini_batch_size == 2
    assert score.code.is_relative_to(stored)
    assert {path.name for path in stored.rglob("*") if path.is_file()} == {
        *("pipeline.yml", "flow.py", "entry.py"),
        *(("pipeline.yml",) if by_component else ("prepare.yml",)),
    }
