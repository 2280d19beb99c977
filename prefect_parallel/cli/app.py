"""The commands. What they need is imported when they run, so that `--help` is there at once."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console

from prefect_parallel.errors import InvalidFile, InvalidInput, PrefectParallelError
from prefect_parallel.layout import UnusableRunDirectory

EXIT_COMPLETED = 0
EXIT_FAILED = 1
EXIT_INVALID = 2

app = App(
    name="prefect-parallel",
    help="Azure Machine Learning's parallel job, on Prefect and Dask, without Azure.",
    version=lambda: importlib.metadata.version("prefect-parallel"),
    help_epilogue="Exit status: 0 completed, 1 failed or canceled, 2 invalid (nothing ran).",
)


@app.command
def run(
    file: Annotated[Path, Parameter(name=["--file", "-f"])],
    *,
    output_dir: Path = Path("runs"),
    name: str | None = None,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative=())] = None,
    verbose: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Run a pipeline and wait for its end.

    Example: prefect-parallel run pipeline.yml --name monday --set inputs.rows=5

    Args:
        file: The pipeline's YAML file.
        output_dir: The folder that the run directory is made in.
        name: The run directory's name; by default the display name with a time stamp.
        set_: Put another value in place of the file's, e.g. jobs.score.mini_batch_size=1mb. May be
            given several times.
        verbose: Show what Prefect and Dask log, too.
    """
    from prefect_parallel.cli.run import run_pipeline

    return run_pipeline(file, output_dir, name, set_ or [], verbose=verbose)


def main() -> None:
    """Run the command that was typed, and exit."""
    sys.exit(_status())


def _status() -> int:
    console = Console(stderr=True, highlight=False)
    try:
        status = app(result_action="return_value", exit_on_error=False)
    except CycloptsError:
        return EXIT_INVALID
    except InvalidFile as error:
        console.print(f"[bold red]invalid:[/] {len(error.problems)} to mend, nothing ran")
        for problem in error.problems:
            console.print(str(problem), markup=False, soft_wrap=True)
        return EXIT_INVALID
    except PrefectParallelError as error:
        console.print("[bold red]error:[/]", end=" ")
        console.print(str(error), markup=False, soft_wrap=True)
        nothing_ran = isinstance(error, (InvalidInput, UnusableRunDirectory))
        return EXIT_INVALID if nothing_ran else EXIT_FAILED
    return status if isinstance(status, int) else EXIT_COMPLETED
