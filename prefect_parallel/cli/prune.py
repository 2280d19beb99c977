"""`prefect-parallel runs prune`."""

from __future__ import annotations

import re
import shutil
import time
from contextlib import suppress

from prefect_parallel.cli.console import lasting_console
from prefect_parallel.cli.runs import rows
from prefect_parallel.errors import InvalidCall, counted
from prefect_parallel.flow.run_directories.lock import hold
from prefect_parallel.flow.run_directories.runs import Runs
from prefect_parallel.layout import RunDirectory, UnusableRunDirectory

SECONDS = {"h": 3600, "d": 86_400, "w": 7 * 86_400}

IN_PROGRESS = ("Running", "Prepared")
"""Statuses of runs that stay; workers may be at work on one that is prepared for them."""

PRUNED = ".pruned-"
"""Begins the name of a directory that is being removed, so that nobody resumes half of a run."""


def prune_runs(runs: Runs, keep: int | None, older_than: str | None, *, dry_run: bool) -> None:
    """Remove runs, and print which; those in progress stay.

    Args:
        runs: The folder of the runs.
        keep: How many of the latest runs stay; None: only the age counts.
        older_than: How old a run must be to be removed, e.g. `14d`; None: only the number counts.
        dry_run: Only print.

    Raises:
        InvalidCall: Neither a number nor an age is given, or it is not valid.
        UnusableRunDirectory: Runs are on remote storage.
        PrefectParallelError: The folder does not exist.
    """
    if keep is None and older_than is None:
        raise InvalidCall("nothing says which runs to remove", hint="give --keep or --older-than")
    if keep is not None and keep < 0:
        raise InvalidCall(f"--keep {keep}: must be 0 or more")
    before = time.time() - (0 if older_than is None else _seconds(older_than))
    if runs.remote is not None:
        raise UnusableRunDirectory(
            f"{runs.remote.path}: only runs in a local folder can be removed"
        )
    if not dry_run:
        for left in list(runs.folder.glob(f"{PRUNED}*")):
            # By a prune that was killed, or that is at it.
            shutil.rmtree(left, ignore_errors=True)
    latest_first = rows(runs.folder)[::-1]
    old = [row for row in latest_first[keep or 0 :] if row.started_at < before]
    console = lasting_console()
    removed = 0
    for row in reversed(old):
        directory = RunDirectory(runs.folder / row.name)
        if row.status in IN_PROGRESS or not (dry_run or _remove(directory)):
            console.print(f"{row.name} is in progress", markup=False)
            continue
        console.print(row.name, markup=False)
        removed += 1
    kept = len(latest_first) - removed
    console.print(f"{counted(removed, 'run')} {'would be ' if dry_run else ''}removed, {kept} kept")


def _seconds(age: str) -> int:
    found = re.fullmatch(r"(\d+)([hdw])", age)
    if found is None:
        raise InvalidCall(
            f"--older-than {age}: must be a number of hours, days or weeks",
            hint="e.g. 12h, 14d, 8w",
        )
    return int(found[1]) * SECONDS[found[2]]


def _remove(directory: RunDirectory) -> bool:
    """Remove a run; False if it has been started meanwhile."""
    pruned = directory.root.with_name(PRUNED + directory.root.name)
    # Another prune may remove it, too.
    with suppress(FileNotFoundError):
        try:
            with hold(directory):
                directory.root.rename(pruned)
        except UnusableRunDirectory:
            return False
        shutil.rmtree(pruned)
    return True
