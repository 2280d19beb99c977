"""From a pipeline job to what the Prefect server is told of it, its snapshot stored."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect.client.schemas.schedules import SCHEDULE_TYPES
from prefect.utilities.callables import parameter_schema

from prefect_parallel.data import Location
from prefect_parallel.deploy.deployment import Deployment
from prefect_parallel.deploy.portable import ENTRYPOINT, PIPELINE_FILE, write_portable
from prefect_parallel.deploy.snapshots import PULL_STEP, put_snapshot
from prefect_parallel.flow.compile import compile_pipeline
from prefect_parallel.flow.prefect_names import prefect_tags
from prefect_parallel.job import PipelineJob

VERSION_DIGITS = 12
"""How much of a snapshot's SHA-256 is the deployment's version."""


def build_deployment(
    job: PipelineJob,
    runs: Location,
    *,
    name: str,
    description: str | None,
    schedule: SCHEDULE_TYPES | None,
    parameters: dict[str, Any],
    tags: Sequence[str],
    job_variables: dict[str, Any],
    datastores: str | None,
    run_options: Mapping[str, Any],
) -> Deployment:
    """Store the snapshot of a job, and tell what a deployment of it is.

    Args:
        job: The job, from a file.
        runs: The folder of run directories; the snapshot goes there, too.
        name: The deployment's.
        description: In place of the job's.
        schedule: When it runs; None: as before.
        parameters: Values in place of the defaults.
        tags: Of the deployment and its runs, beside the job's own.
        job_variables: What differs from the work pool's template.
        datastores: The file that tells what `azureml:` names stand for.
        run_options: What runs are compiled with besides, as `strict`; plain values.

    Raises:
        SnapshotFailed: It cannot be stored.
    """
    flow = compile_pipeline(job)
    options: dict[str, Any] = {"output_dir": runs.path, **run_options}
    if datastores is not None:
        options["datastores"] = datastores
    with tempfile.TemporaryDirectory(prefix="prefect-parallel-") as scratch:
        folder = Path(scratch)
        local_inputs = write_portable(
            job,
            folder,
            title=flow.name,
            options=options,
            leave_out=[] if runs.is_remote else [Path(runs.path)],
        )
        # What does not load here would load nowhere.
        compile_pipeline(folder / PIPELINE_FILE)
        snapshot = put_snapshot(folder, runs)
    schema = parameter_schema(flow).model_dump(exclude_unset=True)
    for each, path in local_inputs.items():
        schema["properties"][each]["default"] = path
    pull: dict[str, Any] = {"snapshot": snapshot.path, "sha256": snapshot.sha256}
    if datastores is not None:
        pull["datastores"] = datastores
    return Deployment(
        name=name,
        flow_name=flow.name,
        description=description or job.description,
        schema=schema,
        parameters={**local_inputs, **parameters},
        pull_step={PULL_STEP: pull},
        entrypoint=ENTRYPOINT,
        version=snapshot.sha256[:VERSION_DIGITS],
        schedule=schedule,
        tags=sorted({*prefect_tags(job.tags), *tags}),
        job_variables=job_variables,
    )
