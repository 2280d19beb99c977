"""Trains one sales model for each brand in each store, as a flow that can be deployed."""

from pathlib import Path

from prefect_parallel import compile_pipeline

many_models = compile_pipeline(Path(__file__).parents[1] / "examples/many_models/pipeline.yml")
