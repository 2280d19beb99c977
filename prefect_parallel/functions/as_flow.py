"""A parallel function as a Prefect flow of its own, to be served, deployed and retried."""

from __future__ import annotations

import os
from typing import Any

from prefect.context import FlowRunContext
from prefect.logging import get_run_logger

from prefect_parallel.errors import InvalidCall
from prefect_parallel.flow.deployable_flow import DeployableFlow
from prefect_parallel.flow.run_options import RunOptions
from prefect_parallel.flow.server.heartbeats import heartbeats
from prefect_parallel.functions.call import Call
from prefect_parallel.functions.output_file import OutputFile
from prefect_parallel.functions.result import ParallelResult
from prefect_parallel.functions.settings import Settings
from prefect_parallel.functions.target import Target


class InvalidFlowData(InvalidCall):
    """The data of a flow cannot be a parameter of it."""


def flow_of_function(
    target: Target,
    settings: Settings,
    options: RunOptions,
    parameters: tuple[Any, str | None, bool],
    flow_options: dict[str, Any],
) -> DeployableFlow[ParallelResult]:
    """A flow that calls a function; a retry of its flow run continues the run.

    Args:
        target: The function.
        settings: The settings of the step.
        options: The options of its runs.
        parameters: Defaults of the flow's parameters: data, output, overwrite.
        flow_options: Arguments of `prefect.Flow`.

    Raises:
        InvalidFlowData: The data is in memory.
    """
    default_data, default_output, default_overwrite = parameters
    if not isinstance(default_data, (str, os.PathLike, list)):
        raise InvalidFlowData(
            f"the data of a flow is a parameter of it; found a value of type"
            f" {type(default_data).__name__}",
            allowed="a path, a URL, or a list of paths or items",
            hint="write it to a file, or call the function in a flow of your own",
        )

    def run_function(
        data: Any = default_data,
        output: str | None = default_output,
        overwrite: bool = default_overwrite,
    ) -> ParallelResult:
        context = FlowRunContext.get()
        assert context is not None
        assert context.flow_run is not None
        with heartbeats(context.flow_run.id):
            handle = options.handle_of(context.flow_run, target.step_name)
            handle.refuse_unusable()
            written = OutputFile.of(output, overwrite=overwrite, datastores=options.datastores)
            result = Call(target, settings, data, written, options).run_in(handle)
            get_run_logger().info("output: %s", result.output)
            return result

    defaults = {
        "name": target.step_name,
        "description": target.definition.__doc__,
        "persist_result": False,
    }
    return DeployableFlow(run_function, **{**defaults, **flow_options})
