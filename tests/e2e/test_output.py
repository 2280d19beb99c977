"""The aggregated output of runs: parts that do not fit together, joining that is stopped."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

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


def test_a_cancel_while_parts_are_joined_ends_as_canceled_and_leaves_nothing(pipeline: Any) -> None:
    it, output = writes(
        pipeline, "out.parquet", '{"a": number, "b": "text"}', files=400, mini_batch_size="1"
    )
    it.run("--max-task-runs", "10")
    whole = output.read_bytes()
    output.unlink()
    process = it.start("--resume", "run")
    # Joining takes a fraction of a second: it is looked for often.
    until = time.monotonic() + 180
    while not any(output.parent.glob(".out.parquet.*")):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=90)
    assert process.returncode == 1, said
    assert "Canceled  step: the run was canceled" in said
    assert it.result["status"] == "Canceled"
    assert list(output.parent.iterdir()) == []
    # Of a driver that was killed while it wrote.
    (output.parent / ".out.parquet.15061").write_bytes(b"half")
    it.run("--resume", "run")
    assert [path.name for path in output.parent.iterdir()] == ["out.parquet"]
    assert output.read_bytes() == whole
    assert pq.read_table(output)["a"].to_pylist() == list(range(400))
