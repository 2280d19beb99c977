"""Pipelines in Python, with the names and arguments that azure-ai-ml users know.

What comes out is a `PipelineJob`, checked as a YAML file is; relative paths count from the
working directory. A step is named by its `name`, else after the variable that it is assigned to.
What a step was given may still be changed, e.g. `scoring.inputs.rows.mode = "direct"`, and of the
job its settings: `job.settings.default_compute = "pool"`.
"""

from prefect_parallel.job.builder.entities import Environment, Input, Output, RunFunction
from prefect_parallel.job.builder.functions import command, parallel_run_function
from prefect_parallel.job.builder.pipeline import pipeline

__all__ = [
    "Environment",
    "Input",
    "Output",
    "RunFunction",
    "command",
    "parallel_run_function",
    "pipeline",
]
