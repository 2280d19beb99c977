"""The tests' own uv, for environments with packages from the index."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from prefect_parallel.entry.environment_builder import SYSTEM_CERTIFICATES

UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def uv(*arguments: object, said: str = "") -> subprocess.CompletedProcess[str]:
    """Run it to its end, however that is."""
    return subprocess.run(
        [str(UV), *map(str, arguments)],
        input=said,
        env={**SYSTEM_CERTIFICATES, **os.environ},
        capture_output=True,
        text=True,
        check=False,
    )


def skip_without_index() -> None:
    if UV is None:
        pytest.skip("uv is not installed: pip install 'prefect-parallel[environments]'")
    answer = uv("pip", "compile", "-", said="six")
    if answer.returncode != 0:
        pytest.skip(f"uv finds no package index: {answer.stderr}")
