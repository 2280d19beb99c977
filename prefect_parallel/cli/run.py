"""`prefect-parallel run`."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from prefect_parallel.cli.console import ignored_keys, lasting_console, plain_console, print_titled
from prefect_parallel.cli.exit_status import COMPLETED, FAILED, INVALID_ERRORS
from prefect_parallel.cli.hangup import hangup_cancels
from prefect_parallel.errors import PrefectParallelError, counted
from prefect_parallel.flow.run_directories.run_handle import RunHandle
from prefect_parallel.flow.run_options import RunOptions
from prefect_parallel.functions.quiet import QUIET_VARIABLES
from prefect_parallel.gc_pause import gc_paused
from prefect_parallel.job import PipelineJob, load_pipeline, resolve


def run_pipeline(
    file: Path, overrides: Sequence[str], options: RunOptions, *, lenient: bool, verbose: bool
) -> int:
    """Run a pipeline, show its progress and return the exit status.

    Raises:
        InvalidPipeline: The pipeline has mistakes.
        InvalidInput: An input is missing, empty or cannot be split.
        UnknownCompute: With `strict`, a step's compute has no block.
        UnusableRunDirectory: The run exists already, or cannot be resumed or written to.
        EnvironmentBuildFailed: The environment of a step cannot be built.
        ServerUnreachable: The configured Prefect server does not answer.
        UploadFailed: The run directory cannot be uploaded to the run store.
    """
    job = load_pipeline(file, overrides, options.datastores, lenient=lenient)
    resolved = resolve(job)
    if not verbose:
        _quieten_prefect_and_dask()
    handle = options.new_handle(job.title)
    with handle.discarded_if_empty():
        steps = counted(len(resolved.steps), "step")
        lasting_console().print(f"starting {job.title}: {steps}, in {handle.directory.root}")
        _import_and_fork()
        from prefect_parallel.flow.preflight import check_inputs

        check_inputs(resolved, options.datastores)
        with hangup_cancels():
            return _run_flow(job, options, handle)


def _import_and_fork() -> None:
    """Import Prefect and Dask, which takes seconds, and fork what nodes are forks of."""
    with gc_paused():
        from prefect_parallel.flow import compile as _  # noqa: F401
        from prefect_parallel.flow.fork_server import ForkServer

        # fsspec has a thread if it has looked for a run at a URL, and a fork would have its locks.
        # The fork server then starts by itself when it is first needed.
        if threading.active_count() == 1:
            ForkServer.fork()


def _run_flow(job: PipelineJob, options: RunOptions, handle: RunHandle) -> int:
    import httpx
    from prefect.client.schemas.objects import FlowRun, State
    from prefect.settings import PREFECT_API_URL
    from prefect.utilities.urls import url_for

    from prefect_parallel.blocks.unreachable_server import how_to_start_it
    from prefect_parallel.display import open_display
    from prefect_parallel.flow.compile import flow_of
    from prefect_parallel.flow.run_directories.run_mirror import UploadFailed
    from prefect_parallel.flow.server.server import ServerGone, prefect_server, refuse_server_away

    name, root = handle.directory.root.name, handle.directory.root
    server_stays = PREFECT_API_URL.value() is not None
    with ExitStack() as with_exit, open_display() as shown, prefect_server(shown):
        refuse_server_away()
        if job.ignored:
            shown.say(ignored_keys(job.ignored))
        flow = flow_of(job, replace(options, name=name), shown)

        def link(flow: Any, flow_run: FlowRun, state: Any) -> None:
            if server_stays and (url := url_for(flow_run)):
                shown.flow_run_at(url)

        flow.on_running(link)
        try:
            state = cast(State[Any], flow(return_state=True))
        except KeyboardInterrupt:
            # The second Ctrl-C ends this process at once, and with it all others.
            shown.interrupted(name)
            os._exit(FAILED)
        except httpx.TransportError as error:
            first = f"{how_to_start_it()}, then " if server_stays else ""
            gone = ServerGone(
                f"the Prefect server at {PREFECT_API_URL.value()} stopped answering: {error}\n"
                f"    finished mini-batches are kept in {root}",
                hint=f"{first}continue with --resume {shlex.quote(name)}",
            )
            with_exit.callback(_exit_at_once, gone)
            return FAILED
    failure = state.result(raise_on_failure=False)
    if isinstance(failure, INVALID_ERRORS):
        raise failure
    if shown.has_results or not isinstance(failure, UploadFailed):
        report = handle.directory.report
        shown.summary(
            state,
            handle.place_of(root),
            name,
            handle.place_of(report) if report.exists() else None,
        )
    if isinstance(failure, UploadFailed):
        raise failure
    return COMPLETED if state.is_completed() else FAILED


def _exit_at_once(error: PrefectParallelError) -> None:
    """At exit, Prefect would try for minutes to send its events and logs."""
    print_titled(plain_console(stderr=True), "error:", "bold red", str(error))
    sys.stdout.flush()
    os._exit(FAILED)


def _quieten_prefect_and_dask() -> None:
    """Keep their logs off the terminal, also in workers. Logs in the Prefect UI are unaffected."""
    # Prefect prints a notice about its telemetry on the terminal unless telemetry is off.
    for name, value in {"DO_NOT_TRACK": "1", **QUIET_VARIABLES}.items():
        os.environ.setdefault(name, value)
    logging.raiseExceptions = False
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
