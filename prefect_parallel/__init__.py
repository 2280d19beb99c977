"""Azure Machine Learning's parallel job, on Prefect and Dask, without Azure.

Names are imported when they are first used: an entry process needs little of the package, and
`prefect-parallel --help` even less.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from prefect_parallel.gc_pause import gc_paused

if TYPE_CHECKING:
    from prefect_parallel.data import load_files, load_table
    from prefect_parallel.entry.retry_after import RetryAfter
    from prefect_parallel.flow.compile import compile_pipeline
    from prefect_parallel.flow.run.pipeline_result import PipelineFailed, PipelineResult
    from prefect_parallel.functions.parallel import parallel
    from prefect_parallel.functions.result import ParallelFailed, ParallelResult
    from prefect_parallel.job import load_pipeline
    from prefect_parallel.job.builder import (
        Environment,
        Input,
        Output,
        RunFunction,
        command,
        parallel_run_function,
        pipeline,
    )

__all__ = [
    "Environment",
    "Input",
    "Output",
    "ParallelFailed",
    "ParallelResult",
    "PipelineFailed",
    "PipelineResult",
    "RetryAfter",
    "RunFunction",
    "command",
    "compile_pipeline",
    "load_files",
    "load_pipeline",
    "load_table",
    "parallel",
    "parallel_run_function",
    "pipeline",
]

_HOMES = {
    "PipelineFailed": "prefect_parallel.flow.run.pipeline_result",
    "PipelineResult": "prefect_parallel.flow.run.pipeline_result",
    "RetryAfter": "prefect_parallel.entry.retry_after",
    "compile_pipeline": "prefect_parallel.flow.compile",
    "load_files": "prefect_parallel.data",
    "load_pipeline": "prefect_parallel.job",
    "load_table": "prefect_parallel.data",
    "ParallelFailed": "prefect_parallel.functions.result",
    "ParallelResult": "prefect_parallel.functions.result",
    "parallel": "prefect_parallel.functions.parallel",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with gc_paused():
        home = importlib.import_module(_HOMES.get(name, "prefect_parallel.job.builder"))
    return getattr(home, name)
