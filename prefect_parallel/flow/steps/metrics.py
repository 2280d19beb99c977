"""The metrics of a step, and logging them to MLflow."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping

from prefect_parallel.output.job_result import JobResult


def metrics_of(result: JobResult, prefix: str | None) -> dict[str, float]:
    """Counts, speed and duration of a step; names begin with `--metrics_name_prefix`."""
    values: dict[str, float] = {
        **{f"mini_batches_{name}": count for name, count in result.mini_batches.items()},
        **{f"items_{name}": count for name, count in result.items.items()},
        "duration_seconds": result.duration_seconds,
        "items_per_second": result.items["total"] / max(result.duration_seconds, 1e-3),
    }
    return {f"{prefix or ''}{name}": value for name, value in values.items()}


def log_to_mlflow(run_name: str, metrics: Mapping[str, float]) -> str | None:
    """Log metrics as an MLflow run, if MLflow is installed and `MLFLOW_TRACKING_URI` is set.

    Returns a one-line warning if MLflow failed, which does not affect the step.
    """
    if not os.environ.get("MLFLOW_TRACKING_URI") or importlib.util.find_spec("mlflow") is None:
        return None
    import mlflow

    try:
        with mlflow.start_run(run_name=run_name):
            mlflow.log_metrics(dict(metrics))
    except mlflow.exceptions.MlflowException as error:
        return f"MLflow did not take the metrics: {str(error).splitlines()[0]}"
    return None
