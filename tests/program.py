"""Python programs that tests run as a user would, with the tests' Prefect server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_program(folder: Path, server: str, *arguments: str | Path) -> str:
    """Run Python with arguments in a folder; gives what it printed."""
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PREFECT_API_URL": server},
        capture_output=True,
        text=True,
        timeout=480,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
