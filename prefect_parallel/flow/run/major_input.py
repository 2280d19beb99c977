"""The input of a parallel step that is split into mini-batches."""

from __future__ import annotations

from prefect_parallel.data import ByKeys, BySize, Datastores, Plan, plan
from prefect_parallel.job import Data, OutputOf, ParallelStep


def major_input(step: ParallelStep) -> Data | OutputOf:
    source = step.inputs[step.input_name]
    assert isinstance(source, (Data, OutputOf)), "checked when the job was resolved"
    return source


def split_input(
    step: ParallelStep, location: str, datastores: Datastores, work_folder: str | None = None
) -> Plan:
    """Split the major input of a step into mini-batches; arguments as for `data.plan`.

    Raises:
        InvalidInput: The input cannot be split.
    """
    source = major_input(step)
    return plan(
        location,
        type=source.type,
        mode=source.mode,
        split=ByKeys(step.partition_keys) if step.partition_keys else BySize(step.mini_batch_size),
        input_format=step.input_format,
        work_folder=work_folder,
        datastores=datastores,
    )
