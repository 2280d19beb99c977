"""Shell completion."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import COMMAND

BASH = shutil.which("bash") or ""

COMPLETE = """
    . ~/.bashrc
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    $(complete -p prefect-parallel | grep -o '_[a-z_]*')
    printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home directory in which completion for bash was installed twice."""
    home = tmp_path_factory.mktemp("a home, 'quoted' ü")
    for _ in range(2):
        subprocess.run(
            [*COMMAND, "--install-completion", "--shell", "bash"],
            env={**os.environ, "HOME": str(home)},
            check=True,
        )
    return home


def completed(home: Path, *words: str) -> list[str]:
    """The completions that bash offers for the last word of a command line."""
    ended = subprocess.run(
        [BASH, "-c", COMPLETE, "bash", "prefect-parallel", *words],
        env={**os.environ, "HOME": str(home)},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()


def test_bash_completes_commands_options_choices_and_files(home: Path) -> None:
    (home / "pipeline.yml").touch()
    assert completed(home, "r") == ["run", "report", "runs"]
    assert completed(home, "blocks", "") == ["apply", "ls"]
    assert completed(home, "run", "--max") == ["--max-task-runs"]
    assert completed(home, "run", "--environment", "b") == ["build"]
    assert completed(home, "validate", "pipe") == ["pipeline.yml"]


def test_installing_it_again_changes_nothing(home: Path) -> None:
    assert (home / ".bashrc").read_text().count("prefect-parallel completion") == 1
