"""A command job, which is a pipeline of one step."""

from __future__ import annotations

from prefect_parallel.document import Document, KeyPath, Rearranged, Section

STEP = "command"
"""The name of the step."""

_OF_PIPELINE = frozenset(
    {
        *("$schema", "name", "display_name", "experiment_name", "description", "tags"),
        *("properties", "compute", "inputs", "outputs", "id", "status", "creation_context"),
    }
)
"""The keys of a command job that a pipeline has, too; the others are those of the step."""


def is_command_job(document: Document) -> bool:
    """Whether a document is a command job: as for Azure ML, also without a type."""
    of_type = document.data.get("type")
    if of_type is None:
        return "command" in document.data
    return isinstance(of_type, str) and of_type.lower() == "command"


def pipeline_of(job: Document) -> Document:
    """The pipeline of a command job.

    Its inputs and outputs are the job's, to which those of the step are bound.
    """
    pipeline, jobs, step = Section(), Section(("jobs",)), Section(("jobs", STEP))
    pipeline.put("type", "pipeline")
    moved: dict[KeyPath, KeyPath] = {}
    for key, value in job.data.items():
        target = pipeline if key in _OF_PIPELINE else step
        target.put(key, value)
        at = (*target.path, key)
        moved[at] = (key,)
    for side in ("inputs", "outputs"):
        if isinstance(job.data.get(side), Section):
            bound = Section(("jobs", STEP, side))
            for name in job.data[side]:
                bound.put(name, f"${{{{parent.{side}.{name}}}}}")
            step.put(side, bound)
    jobs.put(STEP, step)
    pipeline.put("jobs", jobs)
    return Rearranged(job.file, pipeline, job.folder, job.prefix, source=job, moved=moved)
