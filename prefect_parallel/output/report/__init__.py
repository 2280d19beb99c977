"""`logs/report.html`: a self-contained page about a run.

Charts are made with Bokeh, whose script is embedded: it draws 10,000 bars on a canvas, is a quarter
of Plotly's size (1.3 MB in each page instead of 4.8 MB), and most Dask environments have it for the
dashboard.
"""

from __future__ import annotations

from pathlib import Path

from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.atomic_write import atomic_write
from prefect_parallel.output.run_log import read_run


class ReportExtraMissing(PrefectParallelError):
    """The libraries that make reports are not installed."""


def write_report(directory: RunDirectory) -> Path:
    """Write the report of a run, which may still be active, and return its path.

    Raises:
        NoSuchRun: There is no run in the directory.
        ReportExtraMissing: Bokeh is not installed.
        OSError: The file cannot be written.
    """
    run = read_run(directory)
    try:
        from prefect_parallel.output.report.page import page_of
    except ModuleNotFoundError as error:
        raise ReportExtraMissing(
            f"a report needs {error.name}: pip install 'prefect-parallel[report]'"
        ) from error
    page = page_of(run)
    directory.report.parent.mkdir(exist_ok=True)
    with atomic_write(directory.report) as file:
        file.write(page.encode())
    return directory.report
