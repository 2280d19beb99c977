"""The life of a command step: one shell command, in a snapshot of its code."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from prefect.flows import Flow

from prefect_parallel.entry.spawner import Exit, Spawner
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.placeholders import look_up
from prefect_parallel.flow.run import Run
from prefect_parallel.flow.snapshot import take_snapshot
from prefect_parallel.flow.step_end import StepEnd
from prefect_parallel.job import CommandStep, Data, OutputOf
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.fingerprint import of_code, of_json

POLL_SECONDS = 0.1

GRACE_SECONDS = 5.0
"""What a command gets after SIGTERM, before SIGKILL."""

LAST_LINES = 10
"""How many of the command's last lines stand in the error message."""

LAST_BYTES = 16 * 1024
"""Where in a long log those lines are looked for."""


class CommandFailed(PrefectParallelError):
    """The command cannot be started, failed, or took too long."""


class CommandCanceled(PrefectParallelError):
    """The command was stopped from outside."""


def command_step_flow(step: CommandStep, run: Run) -> Flow[[], None]:
    """The flow that runs one command step."""

    def run_step() -> Any:
        return run.end_step(step.name, _run(step, run))

    return Flow(
        run_step,
        name=step.name,
        description=step.description,
        flow_run_name=step.name,
        validate_parameters=False,
        persist_result=False,
    )


def _run(step: CommandStep, run: Run) -> StepEnd:
    directory = run.directory.step(step.name)
    log = directory.command_log
    outputs = run.outputs_folder(step)
    try:
        _take_code(step, run)
        command = step.shell_command(run.values(step))
        fingerprint = _fingerprint(step, run, command)
        if run.resumes and _has_completed(directory, fingerprint):
            return StepEnd("Completed", "completed in an earlier run", outputs, log)
        _clear(step, run)
        run.observer.command_started(step.name)
        for place in run.to_fetch(step):
            run.fetched(step).input(place)
        exit_ = _execute(command, directory.code, step, run, log)
        if exit_.status != 0:
            reason = f"the command ended with {exit_}; its last words:\n{_last_lines(log)}"
            return StepEnd("Failed", reason, None, log)
        directory.completed.write_text(fingerprint)
    except CommandCanceled as error:
        return StepEnd("Canceled", str(error), None, log)
    except PrefectParallelError as error:
        return StepEnd("Failed", str(error), None, log)
    finally:
        shutil.rmtree(directory.fetched, ignore_errors=True)
    return StepEnd("Completed", "the command succeeded", outputs, log)


def _take_code(step: CommandStep, run: Run) -> None:
    directory = run.directory.step(step.name)
    directory.root.mkdir(parents=True, exist_ok=True)
    if step.code is None:
        directory.code.mkdir(exist_ok=True)
    else:
        take_snapshot(step.code, directory.code, leave_out=run.directory.all_runs)


def _fingerprint(step: CommandStep, run: Run, command: str) -> str:
    data = {
        name: run.fingerprint(source)
        for name, source in step.inputs.items()
        if isinstance(source, (Data, OutputOf))
    }
    code = of_code(run.directory.step(step.name).code)
    environment = run.environments.of(step)
    variables = [step.environment_variables, step.environment_templates]
    return of_json([command, code, *variables, environment and environment.key, data])


def _has_completed(directory: StepDirectory, fingerprint: str) -> bool:
    return directory.completed.exists() and directory.completed.read_text() == fingerprint


def _clear(step: CommandStep, run: Run) -> None:
    """Make the folders that the command finds, without what an earlier run left in them."""
    directory = run.directory.step(step.name)
    directory.completed.unlink(missing_ok=True)
    if directory.outputs.exists():
        shutil.rmtree(directory.outputs)
    directory.logs.mkdir(parents=True, exist_ok=True)
    run.make_outputs(step)


def _execute(command: str, folder: Path, step: CommandStep, run: Run, log: Path) -> Exit:
    """Run the command to its end.

    Raises:
        CommandFailed: It could not be started, or passed its limit.
        CommandCanceled: The run was canceled.
    """
    spawner = Spawner()
    try:
        pid = spawner.start(
            ["bash", "-c", command],
            folder=folder,
            environment=_variables(step, run),
            stdout=log,
            stderr=log,
        )
        until = None if step.timeout is None else time.monotonic() + step.timeout
        while (exit_ := spawner.poll(pid)) is None:
            if run.canceled.is_set():
                spawner.end(pid, grace=GRACE_SECONDS)
                raise CommandCanceled("the run was canceled")
            if until is not None and time.monotonic() > until:
                spawner.end(pid, grace=GRACE_SECONDS)
                raise CommandFailed(
                    f"the command took longer than limits.timeout: {step.timeout} s"
                )
            time.sleep(POLL_SECONDS)
        return exit_
    except OSError as error:
        raise CommandFailed(f"the command could not be started: {error}") from error
    finally:
        spawner.close()


def _variables(step: CommandStep, run: Run) -> dict[str, str]:
    """The command's environment, in which `python` is the interpreter of the step."""
    given = {**step.environment_variables, **look_up(step.environment_templates)}
    return run.environments.interpreter(step).variables(given)


def _last_lines(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - LAST_BYTES, 0))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-LAST_LINES:])
