"""Replaces uPlot, which draws the charts of the report, with another version of it.

    python -m tools.update_uplot 1.6.32

This needs npm. Afterwards, look at a report and run `tests/e2e/test_report.py`.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

FOLDER = Path(__file__).parents[1] / "prefect_parallel" / "output" / "report" / "uplot"
FILES = ("LICENSE", "dist/uPlot.iife.min.js", "dist/uPlot.min.css")


def update(version: str) -> None:
    with TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"uplot@{version}"]
        packed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        with tarfile.open(Path(folder, packed.stdout.strip())) as archive:
            for name in FILES:
                file = archive.extractfile(f"package/{name}")
                assert file is not None
                (FOLDER / Path(name).name).write_bytes(file.read())


if __name__ == "__main__":
    update(sys.argv[1])
