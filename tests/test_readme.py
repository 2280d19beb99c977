"""The example in the README runs."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from tests.e2e.conftest import COMMAND
from tests.four_tasks import PAGES, check_files, web_server, write_data
from tests.program import run_program

ROOT = Path(__file__).parents[1]

FILE = re.compile(r"```(?:yaml|python)\n# (\S+)\n(.*?)```", re.DOTALL)
FILES = FILE.findall((ROOT / "README.md").read_text())
"""A code block that contains a file: its path, then its content."""


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


def test_its_functions_run(tmp_path: Path, server: str) -> None:
    scripts = {name: text for name, text in FILES if "import parallel\n" in text}
    assert len(scripts) == 4
    assert all(_lines(text) <= 8 for text in scripts.values())
    write_data(tmp_path, sales=100)

    with web_server(tmp_path, failing=set()):
        # In one process, with what each leaves to look at.
        text = "\n".join([*scripts.values(), "prices.to_csv('prices.csv')", "print(pages)"])
        (tmp_path / "all.py").write_text(text)
        said = run_program(tmp_path, server, "all.py")

    check_files(tmp_path, 100, pd.read_csv(tmp_path / "prices.csv").price.tolist())
    assert str(PAGES) in said


def _lines(text: str) -> int:
    return len([line for line in text.splitlines() if line.strip()])
