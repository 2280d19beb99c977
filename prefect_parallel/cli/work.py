"""`prefect-parallel work`."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from prefect_parallel.cli.console import lasting_console, print_titled
from prefect_parallel.cli.exit_status import COMPLETED, FAILED
from prefect_parallel.cli.hangup import hangup_cancels
from prefect_parallel.data import Datastores
from prefect_parallel.errors import PrefectParallelError, counted, os_error_text
from prefect_parallel.flow.workers.leases import Leases
from prefect_parallel.flow.workers.prepared_step import PreparedStep
from prefect_parallel.flow.workers.worker import GRACE_SECONDS, Worker
from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.run_log import existing_run


class NothingPrepared(PrefectParallelError):
    """No step of a run waits for workers."""


@hangup_cancels()
def work_on(root: Path, *, slots: int | None, lease_seconds: float, datastores: Datastores) -> int:
    """Work on each step of a run that waits for workers; the exit status.

    Raises:
        NoSuchRun: The directory does not exist, or is not a run directory.
        NothingPrepared: No step waits for workers.
        RunNotShared: This machine does not see the directory, or an input, where the driver does.
        StepFailed: Too much has failed.
        PrefectParallelError: The run directory cannot be written to.
    """
    directory = existing_run(RunDirectory(root.resolve()))
    steps = [directory.step(name) for name in directory.step_names()]
    prepared = [PreparedStep.read(step) for step in steps if step.work.exists()]
    if not prepared:
        raise NothingPrepared(
            f"no step of {directory.root} waits for workers",
            hint="prepare one with prefect-parallel run --workers 0",
        )
    stopped = threading.Event()
    console = lasting_console()
    leases = Leases(directory.workers, _worker_name(), lease_seconds)
    try:
        _stop_on_signals(stopped, leases, console)
        for step in prepared:
            step.check_inputs()
            worker = Worker(
                step,
                leases,
                datastores=datastores.only(step.datastores).to_json(),
                slots=slots,
                look_up=_look_up,
                stopped=stopped,
                say=console.print,
            )
            worker.run()
            name = step.directory.root.name
            count = counted(worker.mini_batches_run, "mini-batch")
            end = "stopped" if stopped.is_set() else "all are done"
            console.print(f"{leases.worker}: step {name}: ran {count}, {end}")
            if stopped.is_set():
                return FAILED
    except OSError as error:
        raise PrefectParallelError(os_error_text(error, directory.root)) from error
    finally:
        leases.close()
    return COMPLETED


def _stop_on_signals(stopped: threading.Event, leases: Leases, console: Console) -> None:
    """Stop the worker on Ctrl-C or SIGTERM; the second one ends this process at once."""

    def stop(number: int, _: object) -> None:
        if stopped.is_set():
            try:
                # Others need not wait until the leases expire.
                leases.close()
                print_titled(console, "stopped", "yellow", " at once")
            finally:
                os._exit(FAILED)
        stopped.set()
        again = "; press Ctrl-C again to stop at once" if number == signal.SIGINT else ""
        text = f" running mini-batches have {GRACE_SECONDS:g} s to finish{again}"
        # Not in this thread, which may be printing.
        line = (console, "stopping", "yellow", text)
        threading.Thread(target=print_titled, args=line).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _worker_name() -> str:
    """The name of this worker, and of its log folders."""
    host = re.sub(r"[^\w.-]", "-", socket.gethostname())
    return f"node-{host}-{os.getpid()}-{os.urandom(2).hex()}"


def _look_up(templates: Mapping[str, str]) -> Mapping[str, str]:
    """Environment variables whose values the Prefect server has."""
    if not templates:
        return {}
    # Imported here, since Prefect takes seconds to import.
    from prefect_parallel.flow.server.placeholders import look_up

    return look_up(templates)
