"""The example in the README runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from tests.e2e.conftest import COMMAND

ROOT = Path(__file__).parents[1]

FILE = re.compile(r"```(?:yaml|python)\n# (\S+)\n(.*?)```", re.DOTALL)
"""A code block that contains a file: its path, then its content."""


def test_its_example_runs(tmp_path: Path, server: str) -> None:
    for name, text in FILE.findall((ROOT / "README.md").read_text()):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "words.json").write_text('{"great": 2, "bad": -1}')
    (tmp_path / "reviews").mkdir()
    for number in range(25):
        (tmp_path / "reviews" / f"{number:02d}.txt").write_text("bad " * number + "Great")

    ended = subprocess.run(
        [*COMMAND, "run", "pipeline.yml", "--name", "first"],
        cwd=tmp_path,
        env={**os.environ, "PREFECT_API_URL": server},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    lines = (tmp_path / "runs/first/steps/score/outputs/scores/scores.jsonl").read_text()
    assert [json.loads(line) for line in lines.splitlines()] == [
        {"review": f"{number:02d}.txt", "score": 2 - number} for number in range(25)
    ]
