"""The commands of runs that have been started."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from prefect_parallel.cli.options import DatastoresFile, Flag, OutputDir, RunName, Step

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


def logs(
    name: RunName,
    *,
    step: Step | None = None,
    process: str | None = None,
    failed: Flag = False,
    follow: Flag = False,
    output_dir: OutputDir = "runs",
    datastores: DatastoresFile = None,
) -> None:
    """Print what the script of a step printed and logged, or the errors it failed with.

    Example: prefect-parallel logs monday --step score --failed

    Args:
        step: Name of the step. Required if several steps have logs.
        process: Only this entry process, e.g. process003 or node-0/process003.
        failed: Only the errors, with full tracebacks.
        follow: Keep printing new output until the step has ended.
    """
    from prefect_parallel.cli.datastores import known_datastores
    from prefect_parallel.cli.earlier_run import earlier_run
    from prefect_parallel.cli.logs import print_logs

    directory = earlier_run(output_dir, name, known_datastores(datastores))
    print_logs(directory, step=step, process=process, failed=failed, follow=follow)


def report(
    name: RunName,
    *,
    open_: Annotated[Flag, Parameter(name="--open")] = False,
    output_dir: OutputDir = "runs",
    datastores: DatastoresFile = None,
) -> None:
    """Write logs/report.html of a run: timeline, throughput, resources, root causes of failures.

    Example: prefect-parallel report monday --open

    Args:
        open_: Open the report in the browser.
    """
    from prefect_parallel.cli.datastores import known_datastores
    from prefect_parallel.cli.earlier_run import earlier_run
    from prefect_parallel.cli.report import report_run

    report_run(earlier_run(output_dir, name, known_datastores(datastores)), opens=open_)
