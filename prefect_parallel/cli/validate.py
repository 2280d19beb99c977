"""`prefect-parallel validate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prefect_parallel.cli.console import error_count, ignored_keys, plain_console, print_titled
from prefect_parallel.data import Datastores
from prefect_parallel.errors import InvalidInput, InvalidPipeline
from prefect_parallel.flow.preflight import check_names
from prefect_parallel.job import load_pipeline, resolve


def validate_pipelines(
    files: Sequence[Path], overrides: Sequence[str], datastores: Path | None, *, lenient: bool
) -> bool:
    """Print for each file that it is valid, or its errors; True if all are valid.

    Raises:
        InvalidDatastores: The datastores file is missing or has mistakes.
    """
    known = None if datastores is None else Datastores.load(datastores)
    valid = [_validate(file, overrides, known, lenient=lenient) for file in files]
    return all(valid)


def _validate(
    file: Path, overrides: Sequence[str], datastores: Datastores | None, *, lenient: bool
) -> bool:
    console = plain_console()
    try:
        job = load_pipeline(file, overrides, datastores, lenient=lenient)
        resolved = resolve(job)
        if datastores is not None:
            check_names(resolved, datastores)
    except (InvalidInput, InvalidPipeline) as error:
        print_titled(console, "invalid ", "bold red", f"{file}: {error_count(error)}\n{error}")
        return False
    print_titled(console, "valid   ", "green", str(file))
    for warning in resolved.warnings:
        print_titled(console, "warning ", "yellow", str(warning))
    if job.ignored:
        console.print(f"  {ignored_keys(job.ignored)}")
    return True
