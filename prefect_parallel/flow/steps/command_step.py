"""How a command step runs: one shell command, in a snapshot of its code."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prefect.flows import Flow
from prefect.logging import get_run_logger

from prefect_parallel.entry.azure_variables import azure_variables
from prefect_parallel.entry.spawner import Exit, Spawner
from prefect_parallel.errors import PrefectParallelError, os_error_text
from prefect_parallel.flow.nodes.step_monitor import StepCanceled
from prefect_parallel.flow.run.environments import ShellProcess
from prefect_parallel.flow.run.run import Run
from prefect_parallel.flow.run.step_result import StepResult
from prefect_parallel.flow.server.placeholders import look_up
from prefect_parallel.flow.steps.completed_command import has_completed, note_completed
from prefect_parallel.flow.steps.earlier_steps import EarlierStep, earlier_steps
from prefect_parallel.flow.steps.snapshot import take_snapshot
from prefect_parallel.flow.steps.step_fingerprint import NO_VERSION, StepFingerprint
from prefect_parallel.flow.steps.step_flow import step_flow
from prefect_parallel.job import CommandStep
from prefect_parallel.layout import StepDirectory
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
        self._canceled = run.cancellation.of(step.name)

    def run(self) -> StepResult:
        try:
            self._take_code()
            values = self._data.values()
            command = self._step.shell_command(values)
            run = self._run
            ours = StepFingerprint.of(
                run.pipeline, self._data, values, run.environments, run.comparison
            )
            if self._run.resumes and has_completed(self._directory, ours, packages=False):
                self._publish()
                return self._result("Completed", "completed in an earlier run")
            self._clear()
            earlier = self._reused_from(ours)
            ours.write(self._directory.fingerprints)
            if earlier is not None:
                self._publish()
                return self._result("Completed", f"reused from {earlier}")
            self._run.observer.command_started(self._step.name)
            self._fetch()
            with self._kept_artifacts():
                exit_ = self._execute(command)
            if exit_.status != 0:
                raise CommandFailed(
                    f"the command ended with {exit_}; its last output:\n{_last_lines(self._log)}"
                )
            note_completed(self._directory, ours)
            self._publish()
            return self._result("Completed", "the command succeeded")
        except StepCanceled:
            return self._result("Canceled", self._run.cancellation.reason(self._step.name) or "")
        except PrefectParallelError as error:
            return self._result("Failed", str(error))
        except OSError as error:
            return self._result("Failed", os_error_text(error, self._run.directory.root))
        finally:
            shutil.rmtree(self._directory.fetched, ignore_errors=True)

    def _take_code(self) -> None:
        folder = self._directory.code
        if self._step.code is not None:
            take_snapshot(self._step.code, folder, leave_out=self._run.directory.all_runs)
            return
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)

    def _reused_from(self, ours: StepFingerprint) -> str | None:
        """Take over the outputs of an earlier run; its name, or None if none has them."""
        if self._run.earlier is None or not self._step.outputs:
            # A command without outputs is run for what it does elsewhere.
            return None
        steps = earlier_steps(self._run.earlier, self._step.name, self._run.pipeline)
        newest: EarlierStep | None = None
        for step in steps:
            newest = newest or step
            if ours.unversioned:
                break
            if has_completed(step.directory, ours) and self._take(step.directory, ours):
                return step.name
        self._run.observer.noted(self._step.name, _why_not_reused(ours, newest))
        return None

    def _take(self, earlier: StepDirectory, ours: StepFingerprint) -> bool:
        """Copy the outputs of an earlier run; not links: a later step may write to its inputs."""
        try:
            shutil.copytree(earlier.outputs, self._directory.outputs, dirs_exist_ok=True)
        except (OSError, shutil.Error):
            self._clear()
            return False
        self._directory.completed.write_bytes(earlier.completed.read_bytes())
        if has_completed(self._directory, ours):
            return True
        self._clear()
        return False

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
            StepCanceled: The run was canceled.
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
                if process.removal:
                    subprocess.run(process.removal, capture_output=True, check=False)
                raise CommandFailed(
                    f"the command was killed: the process that had started it {spawner.gone}"
                ) from error
        finally:
            spawner.close()

    def _start(self, spawner: Spawner, process: ShellProcess) -> int:
        try:
            return spawner.start(
                process.command,
                folder=self._directory.code,
                environment=process.variables,
                stdout=self._log,
                stderr=self._log,
                removal=process.removal,
            )
        except OSError as error:
            raise CommandFailed(f"the command could not be started: {error}") from error

    def _wait(self, spawner: Spawner, pid: int) -> Exit:
        timeout = self._step.timeout
        until = None if timeout is None else time.monotonic() + timeout
        while (exit_ := spawner.poll(pid)) is None:
            if self._canceled.is_set():
                spawner.end(pid, grace=GRACE_SECONDS)
                raise StepCanceled
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


def _why_not_reused(ours: StepFingerprint, newest: EarlierStep | None) -> str:
    if ours.unversioned:
        return f"not reused: input {ours.unversioned[0]} {NO_VERSION}"
    if newest is None:
        return "not reused: there is no earlier run of this pipeline"
    if changes := ours.changes_since(newest.fingerprint):
        return f"not reused from {newest.name}: it ran with other {changes}"
    return f"not reused from {newest.name}: it did not complete, or its outputs have changed since"
