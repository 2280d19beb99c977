"""A deployable flow that trains a sales model for each brand in each store."""

from pathlib import Path

from prefect_parallel import compile_pipeline

many_models = compile_pipeline(Path(__file__).parents[1] / "examples/many_models/pipeline.yml")
