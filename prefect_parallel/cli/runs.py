"""`prefect-parallel runs`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import yaml
from rich import box
from rich.table import Table
from rich.text import Text

from prefect_parallel.cli.console import plain_console
from prefect_parallel.display.display import STYLES
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.run_directories.lock import held_since
from prefect_parallel.flow.run_directories.runs import runs_in
from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.duration import duration
from prefect_parallel.output.run_result import RunResult


@dataclass(frozen=True)
class Row:
    """A run, as it is listed; `started_at` in seconds since the epoch."""

    name: str
    status: str
    started_at: float
    seconds: float
    mini_batches: str
    items: str


def list_runs(folder: Path) -> None:
    """Print the runs in a folder, the latest last.

    Raises:
        PrefectParallelError: The folder does not exist.
    """
    found = rows(folder)
    console = plain_console()
    if not found:
        console.print(f"no runs in {folder}")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("run", overflow="fold")
    for title in ("status", "started", "time", "mini-batches", "items"):
        table.add_column(title, no_wrap=True)
    for row in found:
        started = datetime.fromtimestamp(row.started_at)
        table.add_row(
            Text(row.name),
            Text(row.status, STYLES.get(row.status, "")),
            f"{started:%Y-%m-%d %H:%M}",
            duration(row.seconds),
            row.mini_batches,
            row.items,
        )
    if not console.is_terminal:
        console.width = 1_000  # One line for each run, for grep and awk.
    console.print(table, soft_wrap=False)


def rows(folder: Path) -> list[Row]:
    """The runs in a folder, the latest last.

    Raises:
        PrefectParallelError: The folder does not exist.
    """
    if not folder.is_dir():
        raise PrefectParallelError(f"there is no folder {folder}; choose another --output-dir")
    return sorted(_rows(folder), key=lambda row: row.started_at)


def _rows(folder: Path) -> Iterator[Row]:
    for run in runs_in(folder):
        # It may be removed meanwhile.
        with suppress(FileNotFoundError):
            row = _row(run)
            if run.job_file.exists():
                yield row


def _row(run: RunDirectory) -> Row:
    name = run.root.name
    since = held_since(run)
    if since is not None:
        now = datetime.now(timezone.utc).timestamp()
        return Row(name, "Running", since, now - since, "", "")
    begun = run.job_file.stat().st_mtime
    if not run.result.exists():
        logs = run.root.glob("steps/**/logs/sys/*")
        last = max([begun, *(path.stat().st_mtime for path in logs)])
        return Row(name, "Crashed", begun, last - begun, "", "")
    try:
        result = RunResult.read(run.result)
    except (TypeError, ValueError, yaml.YAMLError):
        return Row(name, "Unreadable", begun, 0, "", "")
    started_at = datetime.fromisoformat(result.started_at).timestamp()
    return Row(
        name,
        result.status,
        started_at,
        result.duration_seconds,
        _succeeded(result.mini_batches),
        _succeeded(result.items),
    )


def _succeeded(counts: Mapping[str, int]) -> str:
    return f"{counts['succeeded']:,}/{counts['total']:,}" if counts else ""
