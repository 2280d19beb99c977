"""Scores the rows of a table, as a flow that can be deployed."""

from pathlib import Path

from prefect_parallel import compile_pipeline

iris_batch_prediction = compile_pipeline(
    Path(__file__).parents[1] / "examples/iris_batch_prediction/pipeline.yml"
)
