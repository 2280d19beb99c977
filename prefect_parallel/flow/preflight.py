"""Checks before a run starts."""

from __future__ import annotations

from prefect_parallel.data import BySize, Datastores, Location, Registered, plan
from prefect_parallel.data.locations.registered import file_to_fill_in
from prefect_parallel.document import dotted
from prefect_parallel.errors import InvalidInput
from prefect_parallel.flow.run.major_input import major_input
from prefect_parallel.job import Data, ParallelStep, ResolvedJob, path_of


def check_names(job: ResolvedJob, datastores: Datastores) -> None:
    """Check the `azureml:` names of a pipeline's inputs.

    Raises:
        InvalidInput: Names are unknown, or an asset is of another type than the input.
    """
    problems: list[str] = []
    missing: list[Registered] = []
    for name, step in job.steps.items():
        for input_name, source in step.inputs.items():
            if not isinstance(source, Data):
                continue
            where = dotted((*path_of(name), "inputs", input_name))
            try:
                Location.parse(source.location, datastores=datastores)
                asset = datastores.asset(source.location)
            except InvalidInput as error:
                problems.append(f"{where}: {error}")
                wanted = Registered.parse(source.location)
                missing += [wanted] if wanted is not None else []
                continue
            if asset is not None and asset.type not in (None, source.type):
                found = f"{source.location} is of type {asset.type}, not {source.type}"
                problems.append(f"{where}: {found}")
    if len(missing) > 1:
        text = file_to_fill_in((each, "data") for each in missing)
        problems.append(f"to define what is missing, run with --registry FILE; in FILE:\n{text}")
    if problems:
        raise InvalidInput("\n".join(problems))


def check_inputs(job: ResolvedJob, datastores: Datastores) -> None:
    """Check the inputs of a pipeline, except those that are outputs of its steps.

    Raises:
        InvalidInput: A name is unknown, or a major input cannot be read or is empty.
    """
    check_names(job, datastores)
    for step in job.steps.values():
        if isinstance(step, ParallelStep):
            source = major_input(step)
            if isinstance(source, Data):
                plan(
                    source.location,
                    type=source.type,
                    mode=source.mode,
                    # Grouping by keys would read the whole table.
                    split=BySize(None if step.partition_keys else step.mini_batch_size),
                    input_format=step.input_format,
                    datastores=datastores,
                )
