"""Pipelines in Python, with the names and arguments that azure-ai-ml users know.

The result is a `PipelineJob`, checked as a YAML file is; relative paths start from the working
directory. A step is named by its `name`, else after the variable that it is assigned to. Its keys
may be changed later, e.g. `scoring.inputs.rows.mode = "direct"`, and so may the settings of the
job: `job.settings.default_compute = "pool"`.
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
