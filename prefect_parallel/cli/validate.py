"""`prefect-parallel validate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from prefect_parallel.errors import InvalidPipeline
from prefect_parallel.job import load_pipeline


def validate_pipelines(files: Sequence[Path], overrides: Sequence[str]) -> bool:
    """Say of each file whether it can run, or all that is wrong with it; True if all can."""
    console = Console(highlight=False)
    valid = [_validate(file, overrides, console) for file in files]
    return all(valid)


def _validate(file: Path, overrides: Sequence[str], console: Console) -> bool:
    try:
        job = load_pipeline(file, overrides)
        job.resolve()
    except InvalidPipeline as error:
        count = len(error.problems)
        console.print(f"[bold red]invalid[/]  {file}: {count} to mend")
        for problem in error.problems:
            console.print(str(problem), markup=False, soft_wrap=True)
        return False
    console.print(f"[green]valid[/]    {file}", soft_wrap=True)
    if job.ignored:
        console.print(f"  has no meaning here, ignored: {', '.join(job.ignored)}", soft_wrap=True)
    return True
