"""The aggregated output of runs: parts that do not fit together, joining that is stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Pipeline

SCRIPT = """
    import os
    def init(): pass
    def run(mini_batch):
        number = int(os.path.basename(mini_batch[0])[:3])
        return [{RETURNED}]
"""


def writes(pipeline: Any, name: str, returned: str, **keys: Any) -> tuple[Pipeline, Path]:
    """A pipeline whose script returns one element a file, and its aggregated output."""
    it: Pipeline = pipeline(SCRIPT.replace("{RETURNED}", returned), **keys)
    it.change("jobs.step.outputs.out.type", "uri_folder")
    it.change("jobs.step.task.append_row_to", f"${{{{outputs.out}}}}/{name}")
    return it, it.step / "outputs" / "out" / name


def test_parts_that_do_not_fit_fail_the_step_and_are_kept(pipeline: Any) -> None:
    returned = '{"a": number} if number < 3 else {"b": 0.5, "a": "text"}'
    it, output = writes(pipeline, "out.parquet", returned)
    said = it.run(expect=1)
    assert "column 'a' has types that do not fit into one column:" in said
    reason = it.result["reason"]
    assert it.result["status"] == "Failed"
    assert "int64 in mini-batches 0, 1, 2\n" in reason
    assert "string in mini-batch 3\n" in reason
    assert "let append_row_to name a .jsonl file" in reason
    assert not output.exists()
    assert len(list((it.step / "parts").iterdir())) == 4

    it.change("jobs.step.task.append_row_to", "${{outputs.out}}/out.jsonl")
    it.run("--resume", "run")
    rows = [json.loads(line) for line in (output.parent / "out.jsonl").open()]
    assert rows == [{"a": 0}, {"a": 1}, {"a": 2}, {"b": 0.5, "a": "text"}]


def test_an_exception_of_ours_is_in_the_result_too(pipeline: Any) -> None:
    it, output = writes(pipeline, "out.parquet", '{"a": number}')
    it.run()
    output.unlink()
    part = it.step / "parts" / "000002.part"
    part.write_bytes(part.read_bytes().split(b"\n")[0] + b"\nnot Parquet")
    said = it.run("--resume", "run", expect=1)
    assert "Failed  step: internal error: ArrowInvalid: Parquet magic bytes not found" in said
    assert it.result["status"] == "Failed"
    assert "internal error: ArrowInvalid" in it.result["reason"]
    assert "Traceback" in (it.step / "logs" / "sys" / "job.txt").read_text()
