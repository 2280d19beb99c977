"""A pipeline that does nothing, in as many mini-batches as wanted."""

from __future__ import annotations

from pathlib import Path

import yaml

SCRIPT = """\
import os


def init():
    pass


def run(mini_batch):
    return [os.path.basename(path) for path in mini_batch]
"""


def write_no_op_pipeline(
    folder: Path, mini_batches: int, *, nodes: int = 1, slots: int = 2
) -> Path:
    """Write a pipeline over empty files; gives its YAML file."""
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "script.py").write_text(SCRIPT)
    for number in range(mini_batches):
        # A thousand in each folder, as people keep them.
        place = folder / "data" / f"{number // 1000:04d}"
        if number % 1000 == 0:
            place.mkdir(parents=True)
        (place / f"{number:07d}.txt").touch()
    step = {
        "type": "parallel",
        "inputs": {"files": {"type": "uri_folder", "path": "./data"}},
        "outputs": {"out": {"type": "uri_file"}},
        "input_data": "${{inputs.files}}",
        "mini_batch_size": "1",
        "resources": {"instance_count": nodes},
        "max_concurrency_per_instance": slots,
        "task": {
            "type": "run_function",
            "code": "./code",
            "entry_script": "script.py",
            "environment": "azureml:any:1",
            "append_row_to": "${{outputs.out}}",
        },
    }
    file = folder / "pipeline.yml"
    file.write_text(yaml.safe_dump({"type": "pipeline", "jobs": {"step": step}}))
    return file


def refuse_wrong_output(folder: Path, mini_batches: int) -> None:
    """Raise AssertionError unless each mini-batch's line is there once, in order."""
    output = folder / "runs" / "run" / "steps" / "step" / "outputs" / "out"
    with output.open() as lines:
        for number, line in enumerate(lines):
            assert line == f"{number:07d}.txt\n", f"line {number}: {line!r}"
        assert number == mini_batches - 1
