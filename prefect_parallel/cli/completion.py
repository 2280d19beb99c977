"""Names that a shell completes. They are looked up each time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prefect_parallel.layout import RunDirectory

if TYPE_CHECKING:
    from cyclopts.completion import CompletionContext


def run_names(context: CompletionContext) -> list[str]:
    """The runs in the output directory."""
    return sorted(path.parent.name for path in _output_dir(context).glob("[!.]*/job.yml"))


def step_names(context: CompletionContext) -> list[str]:
    """The steps of the run, or else of the file, that is named before."""
    for option in ("name", "run", "file"):
        given = context.get(option)
        if given is not None and given.raw is not None:
            steps = RunDirectory(_output_dir(context) / given.raw).step_names()
            if steps:
                return steps
    file = context.get("file")
    return list(_jobs(Path(file.raw))) if file is not None and file.raw is not None else []


def _output_dir(context: CompletionContext) -> Path:
    given = context.get("output_dir")
    return Path((given.raw if given is not None else None) or "runs")


def _jobs(file: Path) -> Iterator[str]:
    import yaml

    try:
        pipeline = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return
    jobs = pipeline.get("jobs") if isinstance(pipeline, dict) else None
    yield from map(str, jobs if isinstance(jobs, dict) else ())
