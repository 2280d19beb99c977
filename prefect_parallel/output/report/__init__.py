"""`logs/report.html`: a self-contained page about a run.

The page has its data as JSON. A script draws it on canvas with uPlot, a chart library of 50 kB,
which is in the folder `uplot`; its version is in the first line of its script.
"""

from __future__ import annotations

from pathlib import Path

from prefect_parallel.atomic_write import atomic_write
from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.run_log import read_run


def write_report(directory: RunDirectory) -> Path:
    """Write the report of a run, which may still be active, and return its path.

    Raises:
        NoSuchRun: There is no run in the directory.
        OSError: The file cannot be written.
    """
    # Templates are imported only where a report is made.
    from prefect_parallel.output.report.page import page_of

    page = page_of(read_run(directory))
    directory.report.parent.mkdir(exist_ok=True)
    with atomic_write(directory.report) as file:
        file.write(page.encode(errors="replace"))
    return directory.report
