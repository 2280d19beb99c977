"""A deployable flow that scores the rows of a table."""

from pathlib import Path

from prefect_parallel import compile_pipeline

iris_batch_prediction = compile_pipeline(
    Path(__file__).parents[1] / "examples/iris_batch_prediction/pipeline.yml"
)
