"""What is typed wrong gets one clear message, at once, and nothing is left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from prefect_parallel.cli import main
from prefect_parallel.cli.map import _settings
from prefect_parallel.cli.options import MapOptions
from prefect_parallel.functions.settings import Settings, check_settings
from tests.command_here import command_here

PIPELINE = """
type: pipeline
display_name: prices
inputs: {price: 0.5}
jobs:
  count: {type: command, command: "echo ${{inputs.price}}", environment: "azureml:any:1",
          inputs: {price: "${{parent.inputs.price}}"}}
"""


@pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")
@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        ("run", 2, "error: FILE is missing. See prefect-parallel run --help"),
        ("validate", 2, "error: FILES is missing. See prefect-parallel validate --help"),
        ("debug pipeline.yml", 2, "parameter --mini-batch requires an argument. See"),
        ("rum pipeline.yml", 2, 'Did you mean "run"?'),
        ("run pipeline.yml --nam x", 2, "Did you mean --name? See prefect-parallel run --help"),
        ("run pipelin.yml", 2, "hint: in that folder: pipeline.yml"),
        ("run pipeline.yml --name a/b", 2, "invalid name of a run: 'a/b'"),
        ("run pipeline.yml --name ..", 2, "invalid name of a run: '..'"),
        ("run pipeline.yml --name monday", 2, "or resume monday"),
        ("run pipeline.yml --resume moday", 2, "hint: did you mean monday or today?"),
        ("run pipeline.yml --resume runs/moday", 2, "hint: did you mean monday or today?"),
        ("run pipeline.yml --resume x", 2, "hint: `prefect-parallel runs` lists the runs"),
        ("run pipeline.yml --set price=0.4", 2, "hint: did you mean inputs.price?"),
        ("run pipeline.yml --set count.timeout=4", 2, "hint: did you mean jobs.count?"),
        ("run pipeline.yml --set inputs.price=abc", 2, "allowed: a value of type number"),
        ("debug moday --mini-batch 0", 1, "hint: did you mean monday or today?"),
        ("logs moday", 1, "error: there is no run runs/moday\n    hint: did you mean monday"),
        ("report runs/moday", 1, "hint: did you mean monday or today?"),
        ("logs monday", 0, "step count has printed and logged nothing"),
        ("logs runs/monday --failed", 0, "step count has no errors"),
        ("plan pipeline.yml --reuse=", 2, "the name of the run is empty"),
        ("init pipeline.yml", 1, "error: cannot write to pipeline.yml: it is a file"),
        ("map mod.py: data", 2, "error: mod.py:: found no name"),
        ("map pipeline:f data --set =5", 2, "error: --set =5: found no name"),
        ("runs prune --keep 1 --output-dir s3://b/r", 2, "only runs in a local folder can be"),
        ("logs monday --step cout", 1, "hint: did you mean count?"),
    ],
)
def test_what_a_command_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    status: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pipeline.yml").write_text(PIPELINE)
    for name in ("monday", "today"):
        (tmp_path / "runs" / name / "steps" / "count").mkdir(parents=True)
        (tmp_path / "runs" / name / "job.yml").write_text(PIPELINE)
    monkeypatch.setattr(sys, "argv", ["prefect-parallel", *command.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == status
    assert message in said.err
    assert said.out == ""
    assert sorted(path.name for path in Path("runs").iterdir()) == ["monday", "today"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("x = 1\nraise KeyError('why')", "line 2, in <module>"),
        ("def f(mb) return mb", 'own.py", line 1'),
        ("import nothing_like_it", "No module named 'nothing_like_it'"),
        ("import pandas as pd\ndef f(rows: 'pd.Dataframe'): return rows", "'pd.Dataframe' of f's"),
    ],
)
def test_a_script_that_cannot_be_mapped_is_shown(tmp_path: Path, script: str, message: str) -> None:
    (tmp_path / "own.py").write_text(script)
    (tmp_path / "data.csv").write_text("a\n1\n")
    try:
        said = command_here("", tmp_path, "map", "own.py:f", "data.csv", expect=2)
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("own", None)
    assert message in said
    assert "cli/map.py" not in said
    assert "importlib" not in said


@pytest.mark.parametrize("delimiter", [",", "|"])
def test_a_delimiter_is_text(delimiter: str) -> None:
    settings = _settings(MapOptions(set_=[f"append_row_dataframe_delimiter={delimiter}"]))
    assert settings == {"append_row_dataframe_delimiter": delimiter}
    check_settings(Settings(**settings))


def test_names_are_printed_as_they_are(tmp_path: Path) -> None:
    said = command_here("", tmp_path, "init", "[red]:b:")
    assert said.endswith("run it: prefect-parallel run [red]:b:/pipeline.yml\n")
