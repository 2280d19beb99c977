"""`prefect-parallel init`."""

from __future__ import annotations

import shutil
from pathlib import Path

from prefect_parallel.cli.console import lasting_console
from prefect_parallel.errors import PrefectParallelError, os_error_text

STARTER = Path(__file__).parent / "starter"
"""A pipeline with its script and its data."""


def init_pipeline(folder: Path) -> None:
    """Copy the starter into a folder, which is created if it does not exist.

    Raises:
        PrefectParallelError: The folder has a file of that name, or cannot be written to.
    """
    if folder.is_file():
        raise PrefectParallelError(f"cannot write to {folder}: it is a file")
    files = sorted(path.relative_to(STARTER) for path in STARTER.rglob("*.*") if path.is_file())
    files = [file for file in files if "__pycache__" not in file.parts]
    if existing := [str(file) for file in files if (folder / file).exists()]:
        raise PrefectParallelError(
            f"{folder} has {', '.join(existing)} already; choose another folder"
        )
    try:
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(STARTER / file, folder / file)
    except OSError as error:
        raise PrefectParallelError(os_error_text(error, folder)) from error
    console = lasting_console()
    for file in files:
        console.print(f"wrote {folder / file}")
    console.print(f"run it: prefect-parallel run {folder / 'pipeline.yml'}")
