"""How a command step runs: one shell command, in a snapshot of its code."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prefect.flows import Flow
from prefect.logging import get_run_logger

from prefect_parallel.entry.azure_variables import azure_variables
from prefect_parallel.entry.spawner import Exit, Spawner
from prefect_parallel.errors import PrefectParallelError, os_error_text
from prefect_parallel.flow.run.environments import ShellProcess
from prefect_parallel.flow.run.run import Run
from prefect_parallel.flow.run.step_result import StepResult
from prefect_parallel.flow.server.placeholders import look_up
from prefect_parallel.flow.steps.snapshot import take_snapshot
from prefect_parallel.flow.steps.step_flow import step_flow
from prefect_parallel.job import CommandStep
from prefect_parallel.output.fingerprint import of_code, of_data, of_json
from prefect_parallel.output.job_result import Status

POLL_SECONDS = 0.1

GRACE_SECONDS = 5.0
"""Time between SIGTERM and SIGKILL."""

LAST_LINES = 10
"""Number of the command's last lines in the error message."""

LAST_BYTES = 16 * 1024
"""Size of the end of the log that those lines are taken from."""


class CommandFailed(PrefectParallelError):
    """The command cannot be started, failed, or took too long."""


class CommandCanceled(PrefectParallelError):
    """The run was canceled while the command ran."""


def command_step_flow(step: CommandStep, run: Run) -> Flow[[], None]:
    """The flow that runs one command step."""
    return step_flow(step, run, lambda: _CommandStep(step, run).run())


class _CommandStep:
    """One run of one command step."""

    def __init__(self, step: CommandStep, run: Run) -> None:
        self._step = step
        self._run = run
        self._data = run.data_of(step)
        self._directory = self._data.directory
        self._log = self._directory.command_log

    def run(self) -> StepResult:
        try:
            self._take_code()
            command = self._step.shell_command(self._data.values())
            fingerprint = self._fingerprint(command)
            if self._run.resumes and self._has_completed(fingerprint):
                self._publish()
                return self._result("Completed", "completed in an earlier run")
            self._clear()
            self._run.observer.command_started(self._step.name)
            self._fetch()
            with self._kept_artifacts():
                exit_ = self._execute(command)
            if exit_.status != 0:
                raise CommandFailed(
                    f"the command ended with {exit_}; its last output:\n{_last_lines(self._log)}"
                )
            self._directory.completed.write_text(self._completion(fingerprint))
            self._publish()
            return self._result("Completed", "the command succeeded")
        except CommandCanceled as error:
            return self._result("Canceled", str(error))
        except PrefectParallelError as error:
            return self._result("Failed", str(error))
        except OSError as error:
            return self._result("Failed", os_error_text(error, self._run.directory.root))
        finally:
            shutil.rmtree(self._directory.fetched, ignore_errors=True)

    def _take_code(self) -> None:
        directory = self._directory
        directory.root.mkdir(parents=True, exist_ok=True)
        if self._step.code is None:
            directory.code.mkdir(exist_ok=True)
        else:
            leave_out = self._run.directory.all_runs
            take_snapshot(self._step.code, directory.code, leave_out=leave_out)

    def _fingerprint(self, command: str) -> str:
        step = self._step
        code = of_code(self._directory.code)
        variables = [step.variables(self._data.values()), step.environment_templates]
        key = self._run.environments.key(step)
        return of_json([command, code, *variables, key, self._data.fingerprints()])

    def _has_completed(self, fingerprint: str) -> bool:
        completed = self._directory.completed
        return completed.exists() and completed.read_text() == self._completion(fingerprint)

    def _completion(self, fingerprint: str) -> str:
        """What the command ran with, and the state of the outputs that it wrote."""
        return f"{fingerprint} {of_data(self._directory.outputs)}"

    def _result(self, status: Status, reason: str) -> StepResult:
        # Without a log if the command has not been started.
        log = self._log if self._log.exists() else None
        return self._run.step_result(self._step, status, reason, log)

    def _clear(self) -> None:
        """Make the step's folders and empty them of what an earlier run left."""
        directory = self._directory
        directory.completed.unlink(missing_ok=True)
        if directory.outputs.exists():
            shutil.rmtree(directory.outputs)
        directory.logs.mkdir(parents=True, exist_ok=True)
        self._data.make_outputs()

    @contextmanager
    def _kept_artifacts(self) -> Iterator[None]:
        """Keep what is written to `outputs` in the working directory, as Azure ML does."""
        link, kept = self._directory.code / "outputs", self._directory.artifacts
        if kept.name in self._step.outputs:
            yield
            return
        if link.is_dir():
            # Of the code.
            link.rename(kept)
        else:
            kept.mkdir(parents=True)
        link.symlink_to(os.path.relpath(kept, link.parent))
        try:
            yield
        finally:
            with suppress(OSError):  # It is not empty.
                kept.rmdir()
                link.unlink()

    def _publish(self) -> None:
        for note in self._run.publish(self._step):
            get_run_logger().info(note)
            self._run.observer.noted(self._step.name, note)

    def _fetch(self) -> None:
        for place in self._data.to_fetch():
            self._data.file_cache.input(place)

    def _execute(self, command: str) -> Exit:
        """Run the command and wait for its end.

        Raises:
            CommandFailed: The command could not be started, ran longer than its limit, or was
                killed.
            CommandCanceled: The run was canceled.
        """
        process = self._run.environments.shell_process(
            self._step, command, self._variables(), self._data
        )
        spawner = Spawner()
        try:
            pid = self._start(spawner, process)
            try:
                return self._wait(spawner, pid)
            except OSError as error:
                # What would end it is gone.
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                raise CommandFailed(
                    "the process that had started the command was killed, and the command with it"
                ) from error
        finally:
            spawner.close()
            process.end()

    def _start(self, spawner: Spawner, process: ShellProcess) -> int:
        try:
            return spawner.start(
                process.command,
                folder=self._directory.code,
                environment=process.variables,
                stdout=self._log,
                stderr=self._log,
            )
        except OSError as error:
            raise CommandFailed(f"the command could not be started: {error}") from error

    def _wait(self, spawner: Spawner, pid: int) -> Exit:
        timeout = self._step.timeout
        until = None if timeout is None else time.monotonic() + timeout
        while (exit_ := spawner.poll(pid)) is None:
            if self._run.canceled.is_set():
                spawner.end(pid, grace=GRACE_SECONDS)
                raise CommandCanceled("the run was canceled")
            if until is not None and time.monotonic() > until:
                spawner.end(pid, grace=GRACE_SECONDS)
                raise CommandFailed(f"the command took longer than limits.timeout: {timeout} s")
            time.sleep(POLL_SECONDS)
        return exit_

    def _variables(self) -> dict[str, str]:
        step = self._step
        return {
            **azure_variables(
                self._run.directory.root.name, step.name, nodes=1, output=self._directory.outputs
            ),
            **step.variables(self._data.values()),
            **look_up(step.environment_templates),
        }


def _last_lines(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - LAST_BYTES, 0))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-LAST_LINES:])
