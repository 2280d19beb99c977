"""Pipelines in Python, with the names and arguments that azure-ai-ml users know.

    from prefect_parallel.job.builder import Input, Output, RunFunction
    from prefect_parallel.job.builder import parallel_run_function, pipeline

    score = parallel_run_function(
        inputs={"rows": Input(type="mltable", mode="direct")},
        outputs={"scores": Output(type="uri_file")},
        input_data="${{inputs.rows}}",
        mini_batch_size="10kb",
        task=RunFunction(
            code="./script",
            entry_script="score.py",
            environment="azureml:anything:1",
            append_row_to="${{outputs.scores}}",
        ),
    )

    @pipeline(display_name="nightly scores")
    def nightly(rows):
        scoring = score(rows=rows)
        return {"scores": scoring.outputs.scores}

    job = nightly(rows=Input(type="mltable", path="./rows"))

What comes out is a `PipelineJob`, checked as a YAML file is; relative paths count from the
working directory. A step is named by its `name`, else after the variable that it is assigned to.
What a step was given may still be changed, e.g. `scoring.inputs.rows.mode = "direct"`, and of the
job its settings: `job.settings.default_compute = "pool"`.
"""

from prefect_parallel.job.builder.functions import command, parallel_run_function
from prefect_parallel.job.builder.nouns import Environment, Input, Output, RunFunction
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
