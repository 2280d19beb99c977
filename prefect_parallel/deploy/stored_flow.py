"""A pipeline's flow, stored where workers load it from."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect.utilities.callables import parameter_schema

from prefect_parallel.data import Location
from prefect_parallel.deploy.portable import PIPELINE_FILE, write_portable
from prefect_parallel.deploy.snapshots import PULL_STEP, Snapshot, put_snapshot
from prefect_parallel.flow.compile import compile_pipeline
from prefect_parallel.flow.prefect_names import prefect_tags
from prefect_parallel.job import PipelineJob

VERSION_DIGITS = 12
"""How much of a snapshot's SHA-256 is the deployment's version."""


@dataclass(frozen=True)
class StoredFlow:
    """What a deployment says about its flow.

    Attributes:
        tags: The pipeline's tags, as Prefect has them.
        schema: The JSON schema of the parameters, from which Prefect's UI makes a form.
        local_inputs: Parameters that are paths on this machine, with these paths.
        snapshot: Where the pipeline and its code are.
        datastores: The file that defines `azureml:` names, if there is one.
    """

    name: str
    description: str | None
    tags: list[str]
    schema: dict[str, Any]
    local_inputs: dict[str, str]
    snapshot: Snapshot
    datastores: str | None

    @property
    def version(self) -> str:
        return self.snapshot.sha256[:VERSION_DIGITS]

    @property
    def pull_step(self) -> dict[str, dict[str, str]]:
        """What workers call to get the code: a function and its arguments."""
        arguments = {"snapshot": self.snapshot.path, "sha256": self.snapshot.sha256}
        if self.datastores is not None:
            arguments["datastores"] = self.datastores
        return {PULL_STEP: arguments}


def store_flow(
    job: PipelineJob, runs: Location, *, datastores: str | None, run_options: Mapping[str, Any]
) -> StoredFlow:
    """Store the snapshot of a pipeline beside its runs.

    Args:
        job: The pipeline, from a file.
        runs: The folder of run directories.
        datastores: The file that defines `azureml:` names, as workers find it.
        run_options: Further arguments of `compile_pipeline`; plain values.

    Raises:
        SnapshotFailed: The folder cannot be written to.
    """
    flow = compile_pipeline(job)
    schema = parameter_schema(flow).model_dump(exclude_unset=True)
    options: dict[str, Any] = {"output_dir": runs.path, **run_options}
    if datastores is not None:
        options["datastores"] = datastores
    with tempfile.TemporaryDirectory(prefix="prefect-parallel-") as scratch:
        folder = Path(scratch)
        leave_out = [] if runs.is_remote else [Path(runs.path)]
        local_inputs = write_portable(
            job, folder, title=flow.name, options=options, leave_out=leave_out
        )
        # If it does not load here, it would load nowhere.
        compile_pipeline(folder / PIPELINE_FILE)
        snapshot = put_snapshot(folder, runs)
    for name, path in local_inputs.items():
        schema["properties"][name]["default"] = path
    return StoredFlow(
        name=flow.name,
        description=job.description,
        tags=prefect_tags(job.tags),
        schema=schema,
        local_inputs=local_inputs,
        snapshot=snapshot,
        datastores=datastores,
    )
