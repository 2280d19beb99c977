"""The commands of runs."""

from __future__ import annotations

from cyclopts import App

from prefect_parallel.cli.options import Flag, OutputDir

runs = App(name="runs", help="List runs, or remove old ones.")


@runs.default
def list_(*, output_dir: OutputDir = "runs") -> None:
    """List the runs on this machine: status, start, time, what succeeded. The latest is the last.

    Example: prefect-parallel runs --output-dir /data/runs
    """
    from prefect_parallel.cli.runs import list_runs
    from prefect_parallel.flow.run_directories.runs import Runs

    list_runs(Runs.at(output_dir).folder)


@runs.command
def prune(
    *,
    keep: int | None = None,
    older_than: str | None = None,
    dry_run: Flag = False,
    output_dir: OutputDir = "runs",
) -> None:
    """Remove the directories of old runs. Runs in progress stay.

    Example: prefect-parallel runs prune --keep 30 --older-than 14d --dry-run

    Args:
        keep: Keep this number of runs, the latest.
        older_than: Remove only runs that were started before this time, e.g. 14d, 12h or 8w.
        dry_run: Print which runs would be removed, and remove none.
    """
    from prefect_parallel.cli.prune import prune_runs
    from prefect_parallel.flow.run_directories.runs import Runs

    prune_runs(Runs.at(output_dir), keep, older_than, dry_run=dry_run)
