"""Commands in the process of a test, which has imported Prefect already."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_parallel.cli import main


def command_here(
    server: str, folder: Path, *words: object, expect: int = 0, **variables: str
) -> str:
    """Run a command that starts no run to its end; gives what it said."""
    said = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        temporary_settings({PREFECT_API_URL: server}),
        redirect_stdout(said),
        redirect_stderr(said),
    ):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["prefect-parallel", *map(str, words)])
        for name, value in variables.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == expect, said.getvalue()
    return said.getvalue()
