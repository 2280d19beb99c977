"""The aggregated output of runs: parts that do not fit together, joining that is stopped."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import pandas as pd
import pytest

from prefect_parallel.display.plain_display import PlainDisplay
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


def test_frames_in_a_file_named_by_default_are_written_as_azure_does(pipeline: Any) -> None:
    script = """
        import os
        import pandas as pd
        def run(mini_batch):
            name = os.path.basename(mini_batch[0])
            rows = pd.DataFrame({"name": [name], "text": ["two words; more"]})
            return rows if name > "001" else rows[["text", "name"]]
    """
    it = pipeline(script, files=2)
    it.change("jobs.step.outputs.out.type", "uri_folder")
    it.call()
    output = it.output / "parallel_run_step.txt"
    assert output.read_text() == '"two words; more" 000.txt\n"two words; more" 001.txt\n'
    delimiter = "--append_row_dataframe_delimiter ';' --append_row_dataframe_header True"
    it.change("jobs.step.task.program_arguments", delimiter)
    it.call(resume=True)
    first, *rows = output.read_text().splitlines()
    assert first == "text;name"
    assert rows == ['"two words; more";000.txt', '"two words; more";001.txt']


def test_parts_that_do_not_fit_stop_the_step_and_are_kept(pipeline: Any) -> None:
    """Mini-batch 0 fits when it is tried again; mini-batch 1 does not; the last one never ends."""
    script = """
        import os, time
        def init(): pass
        def run(mini_batch):
            number = int(os.path.basename(mini_batch[0])[:3]) // 2
            rows = [{"b": 0.5, "a": number if number != 1 else "text"}] * 2
            if number == 0 and not os.path.exists("../again"):
                open("../again", "w").close()
                rows = [{"a": "text"}]
            elif number == 2 and "jsonl" not in OUTPUT:
                time.sleep(600)
            return rows
    """
    retries = {"max_retries": 1, "timeout": 300}
    it = pipeline(script.replace("OUTPUT", 'os.environ["OUTPUT"]'), files=6, retry_settings=retries)
    it.change("jobs.step.mini_batch_size", "2")
    it.change("jobs.step.outputs.out.type", "uri_folder")

    def writes(name: str) -> Path:
        it.change("jobs.step.task.append_row_to", f"${{{{outputs.out}}}}/{name}")
        it.change("jobs.step.environment_variables", {"OUTPUT": name})
        return it.step / "outputs" / "out" / name

    output = writes("out.parquet")
    for resume in (False, True):
        said = it.call(resume=resume, expect="Failed")
        assert "column 'a' has types that do not fit into one column:" in said
        reason = it.result["reason"]
        assert it.result["status"] == "Failed"
        assert "int64 in mini-batch 0\n" in reason
        assert "string in mini-batch 1\n" in reason
        assert "let append_row_to name a .jsonl file" in reason
        lines = (it.step / "logs" / "job_result.txt").read_text().splitlines()
        assert "    string in mini-batch 1" in lines
        assert not output.exists()
        assert sorted(part.name[:6] for part in (it.step / "parts").iterdir()) == [
            "000000",
            "000001",
        ]
        assert it.result["mini_batches"]["failed"] == 0

    output = writes("out.jsonl")
    it.call(resume=True)
    rows = [json.loads(line) for line in output.open()]
    assert [row["a"] for row in rows] == [0, 0, "text", "text", 2, 2]


def test_an_exception_of_ours_is_in_the_result_too(pipeline: Any) -> None:
    it, output = writes(pipeline, "out.parquet", '{"a": number}')
    it.call()
    output.unlink()
    part = it.step / "parts" / "000002.part"
    record, payload = part.read_bytes().split(b"\n", 1)
    part.write_bytes(record + b"\n" + b"?" * len(payload))
    said = it.call(resume=True, expect="Failed")
    assert "Failed  step: internal error: ArrowInvalid: Parquet magic bytes not found" in said
    assert it.result["status"] == "Failed"
    assert "internal error: ArrowInvalid" in it.result["reason"]
    assert "Traceback" in (it.step / "logs" / "sys" / "job.txt").read_text()


def test_what_is_lost_of_input_and_output_is_told(pipeline: Any) -> None:
    script = "def run(mini_batch): return mini_batch.assign(c=[1, float('inf'), 1])"
    it = pipeline(script, files=0, mini_batch_size="1kb")
    it.change("jobs.step.outputs.out.type", "uri_folder")
    it.change("jobs.step.task.append_row_to", "${{outputs.out}}/out.jsonl")
    output = it.step / "outputs" / "out" / "out.jsonl"
    table = it.folder / "data"
    (table / "rows.csv").write_text("a,b\n5,x\n2\nmany,y,z\n")
    read = "read_delimited: {infer_column_types: {sample_size: 1}}"
    (table / "MLTable").write_text(f"paths: [{{file: rows.csv}}]\ntransformations: [{read}]\n")
    it.change("jobs.step.inputs.files", {"type": "mltable", "path": "./data", "mode": "direct"})
    said = it.call().replace("\n", " ")
    log = (it.step / "logs" / "sys" / "job.txt").read_text()
    for told in (
        f"2 rows with fewer or more cells than the header, the first: {table / 'rows.csv'}, line 3",
        "column a: 1 value that did not fit its type became null",
        "column c: 1 returned value that the output's format lacks became null",
    ):
        assert f"step: {told}" in said
        assert told in log
    assert json.loads(output.read_text().splitlines()[2]) == {
        "a": None,
        "b": "y",
        "Column3": "z",
        "c": 1,
    }
    counts = ("uneven_rows", "values_set_to_null", "values_written_as_null")
    assert [it.result[count] for count in counts] == [2, 1, 1]


def test_a_cancel_while_parts_are_joined_ends_as_canceled_and_leaves_nothing(
    pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    it, output = writes(pipeline, "out.jsonl", '{"a": number}')
    it.call()
    whole = output.read_bytes()
    output.unlink()

    interrupted = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        interrupted.set()
        signal.default_int_handler(number, frame)

    def cancel(*_: object) -> None:
        if any(output.parent.glob(".out.jsonl.*")) and not interrupted.is_set():
            os.kill(os.getpid(), signal.SIGINT)
            assert interrupted.wait(60)
            # The exception is raised in the main thread, which then cancels the run.
            time.sleep(1)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(PlainDisplay, "step_joining", cancel)
            said = it.call(resume=True, expect="Cancelled")
    finally:
        signal.signal(signal.SIGINT, before)
    assert "Canceled  step: the run was canceled" in said
    assert it.result["status"] == "Canceled"
    assert list(output.parent.iterdir()) == []
    # Of a driver that was killed while it wrote.
    (output.parent / ".out.jsonl.15061").write_bytes(b"half")
    it.call(resume=True)
    assert [path.name for path in output.parent.iterdir()] == ["out.jsonl"]
    assert output.read_bytes() == whole


def test_the_next_mini_batch_of_a_task_run_is_loaded_while_run_works(pipeline: Any) -> None:
    it = pipeline(
        """
        import sys, time
        opened = set()
        def note(event, args):
            if event == "open":
                opened.add(str(args[0])[-6:])
        sys.addaudithook(note)
        seen = False
        def run(rows):
            global seen
            after = rows["n"][0] + 1
            for _ in range(10):
                seen = seen or f"{after:02}.csv" in opened
                if not seen:
                    time.sleep(0.02)
            return [f"{after} {seen}"]
        """,
        arguments="--prefetch True",
        mini_batch_size="1kb",
        max_concurrency_per_instance=1,
    )
    table = it.folder / "table"
    table.mkdir()
    for number in range(30):
        (table / f"{number:02}.csv").write_text(f"n\n{number}\n")
    (table / "MLTable").write_text(
        "paths: [{pattern: '*.csv'}]\ntransformations: [read_delimited]\n"
    )
    it.change("jobs.step.inputs.files", {"type": "mltable", "path": "./table", "mode": "direct"})
    it.call()
    lines = it.output.read_text().splitlines()
    assert [int(line.split()[0]) for line in lines] == [*range(1, 31)]
    # Without prefetching, none: there is one process.
    assert any("True" in line for line in lines)


def test_a_published_file_has_the_format_that_its_path_names(pipeline: Any) -> None:
    script = """
        import os
        def run(mini_batch):
            return [{"name": os.path.basename(file)} for file in mini_batch]
    """
    it = pipeline(script, files=2)
    wanted = [{"name": "000.txt"}, {"name": "001.txt"}]
    it.change("jobs.step.outputs.out.path", "./${{name}}.parquet")
    it.call()
    assert pd.read_parquet(it.folder / "run.parquet").to_dict("records") == wanted
    it.change("jobs.step.outputs.out.path", "./${{name}}.jsonl")
    it.call(resume=True)
    lines = (it.folder / "run.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == wanted
