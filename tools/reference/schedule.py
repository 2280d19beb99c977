"""The page about schedule files."""

from __future__ import annotations

from prefect_parallel.deploy.schedule_file import CreateJobModel, ScheduleModel
from prefect_parallel.deploy.trigger import Pattern, Trigger
from tools.reference.markdown import docstring, document
from tools.reference.models import Headings, keys_table

_HEADINGS: Headings = {
    ScheduleModel: "Schedule",
    Trigger: "Trigger",
    Pattern: "Pattern",
    CreateJobModel: "Create job",
}

_INTRO = """\
[`prefect-parallel deploy --schedule FILE`](commands.md#prefect-parallel-deploy) reads Azure ML's
schedule files. [Deploy a pipeline](../deploying.md#schedules-of-azure-ml) has an example."""


def page() -> str:
    sections = [
        part
        for model, heading in _HEADINGS.items()
        for part in (
            f"## {heading}",
            docstring(model).short_description or "",
            keys_table(model, _HEADINGS),
        )
    ]
    return document("Schedule YAML", _INTRO, *sections)
