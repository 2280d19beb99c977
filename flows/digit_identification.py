"""Recognizes the digits in a folder of images, as a flow that can be deployed."""

from pathlib import Path

from prefect_parallel import compile_pipeline

digit_identification = compile_pipeline(
    Path(__file__).parents[1] / "examples/digit_identification/pipeline.yml"
)
