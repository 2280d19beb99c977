"""The examples of the README run."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from tests.e2e.conftest import COMMAND
from tests.program import run_program

ROOT = Path(__file__).parents[1]

FILE = re.compile(r"```(?:yaml|python)\n# (\S+)\n(.*?)```", re.DOTALL)
README = (ROOT / "README.md").read_text()
FILES = FILE.findall(README)
"""A code block that contains a file: its path, then its content."""

# Progress goes to the standard error.
WITH_PROGRESS = """
import runpy, sys
sys.stderr = sys.stdout
runpy.run_path("score.py", run_name="__main__")
"""


def test_its_example_runs(tmp_path: Path, server: str) -> None:
    for name, text in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "model.json").write_text('{"discount": 0.5}')
    (tmp_path / "sales").mkdir()
    for number in range(4):
        sales = pd.DataFrame({"price": range(500), "quantity": number})
        sales.to_csv(tmp_path / f"sales/{number}.csv", index=False)

    _, *command = COMMAND
    said = run_program(tmp_path, server, *command, "run", "pipeline.yml", "--name", "first")

    scores = pd.read_csv(tmp_path / "scores.csv")
    assert scores.total.tolist() == [
        price * number * 0.5 for number in range(4) for price in range(500)
    ]
    assert "20 mini-batches to run on 2 nodes x 2 slots" in said


def test_its_function_runs(tmp_path: Path, server: str) -> None:
    script = dict(FILES)["score.py"]
    assert _lines(script) <= 8
    (tmp_path / "score.py").write_text(script)
    sales = pd.DataFrame({"price": range(1_500_000), "quantity": range(1_500_000)}) % (1000, 7)
    sales.to_csv(tmp_path / "sales.csv", index=False)

    said = run_program(tmp_path, server, "-c", WITH_PROGRESS)

    expected = sales.assign(total=sales.price * sales.quantity)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "scores.parquet"), expected)
    shown = README.partition("$ python score.py\n")[2].partition("```")[0]
    assert all(line in said for line in shown.splitlines())


def _lines(text: str) -> int:
    return len([line for line in text.splitlines() if line.strip()])
