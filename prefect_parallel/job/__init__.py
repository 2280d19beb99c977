"""What the user wrote: pipelines in YAML or Python, read, checked and resolved."""

from prefect_parallel.document import Document
from prefect_parallel.job.files.requirements import CondaSpec, Requirements
from prefect_parallel.job.loading.load import load_pipeline
from prefect_parallel.job.models.pipeline import Parameter, PipelineJob
from prefect_parallel.job.resolution.resolve import resolve
from prefect_parallel.job.resolution.resolved import (
    AppendRowTo,
    CommandStep,
    Data,
    Graph,
    Literal,
    Missing,
    OutputAsset,
    OutputOf,
    OutputSpec,
    ParallelStep,
    PipelineStep,
    ResolvedJob,
    path_of,
)
from prefect_parallel.job.syntax.shell import InvalidCommand

__all__ = [
    "AppendRowTo",
    "CommandStep",
    "CondaSpec",
    "Data",
    "Document",
    "Graph",
    "InvalidCommand",
    "Literal",
    "Missing",
    "OutputAsset",
    "OutputOf",
    "OutputSpec",
    "ParallelStep",
    "Parameter",
    "PipelineJob",
    "PipelineStep",
    "Requirements",
    "ResolvedJob",
    "load_pipeline",
    "path_of",
    "resolve",
]
