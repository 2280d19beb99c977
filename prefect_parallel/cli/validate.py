"""`prefect-parallel validate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from prefect_parallel.data import Datastores
from prefect_parallel.errors import InvalidInput, InvalidPipeline
from prefect_parallel.flow.preflight import check_names
from prefect_parallel.job import load_pipeline


def validate_pipelines(
    files: Sequence[Path], overrides: Sequence[str], datastores: Path | None
) -> bool:
    """Say of each file whether it can run, or all that is wrong with it; True if all can.

    Raises:
        InvalidDatastores: That file has mistakes.
    """
    console = Console(highlight=False)
    known = None if datastores is None else Datastores.load(datastores)
    valid = [_validate(file, overrides, known, console) for file in files]
    return all(valid)


def _validate(
    file: Path, overrides: Sequence[str], datastores: Datastores | None, console: Console
) -> bool:
    try:
        job = load_pipeline(file, overrides)
        resolved = job.resolve()
        if datastores is not None:
            check_names(resolved, datastores)
    except InvalidInput as error:
        console.print(f"[bold red]invalid[/]  {file}: 1 to mend")
        console.print(str(error), markup=False, soft_wrap=True)
        return False
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
