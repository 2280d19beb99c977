"""The node's side of an entry process: starts it, sends it mini-batches, ends it in time."""

from __future__ import annotations

import errno
import re
import shutil
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prefect_parallel.data import MiniBatch
from prefect_parallel.entry.attempt_request import AttemptRequest
from prefect_parallel.entry.config import EntryConfig, ProcessName
from prefect_parallel.entry.function_file import EntryNames
from prefect_parallel.entry.messages import one_line, validate_message
from prefect_parallel.entry.node_faults import ERRNOS
from prefect_parallel.entry.process_resources import ProcessResources
from prefect_parallel.entry.protocol import Channel, ProtocolError
from prefect_parallel.entry.spawner import Exit, Spawner
from prefect_parallel.entry.stacks import STACKS_SIGNAL, written_stacks
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.output.part import BrokenPart, Record

_ENTRY_PROCESS = ("-X", "faulthandler", "-m", "prefect_parallel.entry.process_main")

_EXITED = re.compile(r"SystemExit(: \d+)?")

EXIT_SECONDS = 1.0
"""How long a process that has closed its connection may take to exit; others of the node wait."""

_OVERHEAD = "task_overhead_timeout"

SHUTDOWN_SECONDS = 10.0
"""Time limit for `shutdown` of a script."""

SHUTDOWN_EXIT_SECONDS = 5.0
"""Time limit for what follows it: exit functions, and what files still buffer."""

STDERR_BYTES = 16 * 1024
"""How much of a dead process's standard error is looked at, from the end."""


@dataclass(frozen=True)
class Failure:
    """Why an attempt or `init` failed.

    Attributes:
        error: The error in one line.
        traceback: The full traceback, or what else is known.
        items: Number of items in the mini-batch; None if it was not loaded.
        retry_after: Seconds that the script asks to wait before the next attempt.
        node_fault: The fault of the node that caused it, as `fault_of`; None if there is none.
    """

    error: str
    traceback: str = ""
    items: int | None = None
    retry_after: float | None = None
    node_fault: str | None = None


@dataclass(frozen=True)
class _Phase:
    """A phase of a process that has a time limit.

    Attributes:
        doing: Name of the phase in messages.
        setting: Name of the setting of the limit; empty for none.
        answers: Events that may follow, besides `failed`.
    """

    doing: str
    seconds: float
    setting: str
    answers: tuple[str, ...]

    @property
    def limit(self) -> str:
        return f"{self.setting}: {self.seconds:g} s" if self.setting else f"{self.seconds:g} s"


class InitFailed(PrefectParallelError):
    """The entry script could not be imported, or its `init` failed."""

    def __init__(self, name: ProcessName, failure: Failure) -> None:
        super().__init__(failure.error)
        self.name = name
        self.failure = failure

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.failure)


class EntryProcess:
    """An entry process. Not thread-safe."""

    def __init__(
        self, spawner: Spawner, config: EntryConfig, name: ProcessName, resources: ProcessResources
    ) -> None:
        """Start the process and wait for its `init`.

        Raises:
            InitFailed: The process could not be started, or the script's import or `init` failed.
                The process has ended.
            PrefectParallelError: Its environment cannot be built.
        """
        interpreter = resources.get_ready()
        self.name = name
        self._exit: Exit | None = None
        self.loads_ahead: MiniBatch | None = None
        self.attempts = 0
        self._config = config
        self._names = EntryNames.of(Path(config.code), config.entry_script)
        self._spawner = spawner
        self._resources = resources
        logs = name.logs(config.directory)
        self._stderr = logs.stderr
        self._stderr_start = 0
        for path in (logs.stdout, logs.stderr, logs.entry_script_log):
            path.parent.mkdir(parents=True, exist_ok=True)
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        try:
            with theirs:
                self._pid = spawner.start(
                    [str(interpreter.executable), *_ENTRY_PROCESS],
                    folder=Path(config.code),
                    environment=interpreter.variables(resources.variables(name)),
                    stdout=logs.stdout,
                    stderr=logs.stderr,
                    connection=theirs,
                )
        except OSError as error:
            self._channel.close()
            resources.ended(name)
            raise InitFailed(
                name, Failure(f"no entry process could be started: {error}")
            ) from error
        self._seen_pid = spawner.seen_as(self._pid)
        resources.started(name, self._seen_pid)
        failure = self._start()
        if failure is not None:
            self.end()
            raise InitFailed(name, failure)
        resources.memory.initialized(name.process)

    @property
    def alive(self) -> bool:
        return self._exit is None

    @property
    def peak_memory(self) -> int:
        """The most resident memory that it used, in bytes; 0 while it is alive."""
        return self._exit.peak_memory if self._exit else 0

    def attempt(self, request: AttemptRequest, on_run: Callable[[], None]) -> Record | Failure:
        """Run one mini-batch. If the process had to be ended, it is not `alive` afterwards.

        Args:
            on_run: Called when `run` is called.
        """
        output_dir = self._config.directory.output_dir(request.mini_batch.index)
        self.loads_ahead = request.following
        self.attempts += 1
        result = self._attempt(replace(request, output_dir=output_dir.name), on_run)
        is_unused = isinstance(result, Failure) or not result.output_dir
        if is_unused and self._config.folder_outputs:
            shutil.rmtree(output_dir, ignore_errors=True)
        return result

    def _attempt(self, request: AttemptRequest, on_run: Callable[[], None]) -> Record | Failure:
        overhead, timeout = self._config.task_overhead_timeout, self._config.timeout
        # run() is not called for a mini-batch without items.
        loading = _Phase("loading the mini-batch", overhead, _OVERHEAD, ("loaded", "done"))
        running = _Phase(self._names.run, timeout, self._names.timeout, ("returned",))
        writing = _Phase("writing the part", overhead, _OVERHEAD, ("done",))
        message = self._ask({"do": "attempt", **request.to_json()}, loading)
        if not isinstance(message, Failure) and message["event"] == "loaded":
            count = message["items"]
            on_run()
            message = self._next(running, count)
            if not isinstance(message, Failure):
                message = self._next(writing, count)
        if isinstance(message, Failure):
            return message
        return self._record(message["record"], request)

    def shut_down(self) -> Failure | None:
        """Call `shutdown` of the script and end the process."""
        ending = _Phase(self._names.shutdown, SHUTDOWN_SECONDS, "", ("ended",))
        answer = self._ask({"do": "shutdown"}, ending)
        if self._exit is None:
            # The process closes its connection by ending.
            with suppress(OSError, ProtocolError):
                self._channel.receive(time.monotonic() + SHUTDOWN_EXIT_SECONDS)
        self.end()
        return answer if isinstance(answer, Failure) else None

    def end(self, patience: float = 0) -> Exit:
        """End the process and its descendants, after a time in which it may end by itself.

        Returns how it ended.
        """
        if self._exit is None:
            self._channel.close()
            self._exit = self._spawner.end(self._pid, patience=patience)
            if self._exit.left_behind is None:
                self._resources.ended(self.name)
        return self._exit

    def _start(self) -> Failure | None:
        limit = self._config.first_task_creation_timeout
        init = _Phase(self._names.init, limit, "first_task_creation_timeout", ("ready",))
        name = {"node": self.name.node, "process": self.name.process}
        answer = self._send({"config": self._config.to_json(), "name": name}, init)
        return answer if isinstance(answer, Failure) else None

    def _ask(self, request: dict[str, Any], phase: _Phase) -> dict[str, Any] | Failure:
        """Send a request to a process that is ready, and wait for the first answer."""
        # What it wrote before has nothing to do with the request.
        self._stderr_start = self._stderr_end()
        return self._send(request, phase)

    def _send(self, request: dict[str, Any], phase: _Phase) -> dict[str, Any] | Failure:
        try:
            self._channel.send(request)
        except OSError:
            return self._died(phase, None)
        return self._next(phase)

    def _next(self, phase: _Phase, items: int | None = None) -> dict[str, Any] | Failure:
        """Wait for the next message of the process; a failure if there is none in time."""
        try:
            message = self._channel.receive(time.monotonic() + phase.seconds)
            if message is None:
                return self._died(phase, items)
            message = validate_message(message, (*phase.answers, "failed"))
        except TimeoutError:
            return self._took_too_long(phase, items)
        except ProtocolError as error:
            self.end()
            return Failure(_invalid_message(error), items=items)
        if message["event"] == "failed":
            failure = Failure(
                message["error"],
                message["traceback"],
                items,
                message["retry_after"],
                self._fault(message["node_fault"]),
            )
            # argparse and others print why they exit.
            return self._with_stderr(failure) if _EXITED.fullmatch(failure.error) else failure
        return message

    def _fault(self, fault: str | None) -> str | None:
        """The fault of the node; in a container, what a step may only read is read-only."""
        return None if self._config.image and fault == ERRNOS[errno.EROFS] else fault

    def _record(self, fields: dict[str, Any], request: AttemptRequest) -> Record | Failure:
        """The record sent by the process, if it belongs to this attempt."""
        try:
            record = Record.from_json(fields)
        except BrokenPart as error:
            self.end()
            return Failure(_invalid_message(error))
        theirs = (*record.attempt_name, record.index, record.data, record.settings)
        ours = (self.name.node, self.name.process, request.number, request.mini_batch.index)
        if theirs != (*ours, request.mini_batch.fingerprint, self._config.fingerprint):
            self.end()
            return Failure(_invalid_message("the record of another attempt"))
        return record

    def _took_too_long(self, phase: _Phase, items: int | None) -> Failure:
        start = self._stderr_end()
        try:
            self._spawner.send_signal(self._pid, STACKS_SIGNAL)
            stacks = written_stacks(lambda: self._written_stderr(start), self._seen_pid)
        except OSError:
            # The spawner was closed, which has ended the process.
            stacks = ""
        exit_ = self.end()
        error = f"{phase.doing} took longer than {phase.limit}"
        if exit_.left_behind is not None:
            error = f"{error}; {exit_}"
        return Failure(error, f"stacks at that moment:\n{stacks}" if stacks else "", items)

    def _died(self, phase: _Phase, items: int | None) -> Failure:
        exceeded = self._resources.memory.exceeded_by(self.name.process)
        exit_ = self.end(EXIT_SECONDS)
        error = f"the process ended during {phase.doing}: {exit_}"
        if exceeded is not None:
            error = f"out of memory during {phase.doing}: {exceeded}"
        return self._with_stderr(Failure(error, items=items))

    def _with_stderr(self, failure: Failure) -> Failure:
        """The failure with what the process has written to standard error in this phase."""
        output = self._written_stderr(self._stderr_start)
        lines = [line for line in map(str.strip, output.splitlines()) if line]
        if not lines:
            return failure
        # What faulthandler writes begins with the cause; tracebacks and most others end with it.
        fatal = [line for line in lines if line.startswith("Fatal Python error: ")]
        error = one_line(f"{failure.error}; stderr: {(fatal or lines)[-1]}")
        traceback = f"{failure.traceback}\nstandard error:\n{output}".strip()
        return replace(failure, error=error, traceback=traceback)

    def _stderr_end(self) -> int:
        """Number of bytes that the process has written to standard error."""
        return self._stderr.stat().st_size + self._resources.removed(self._stderr)

    def _written_stderr(self, start: int) -> str:
        """What the process has written to standard error from a byte on, at most the last part."""
        with self._stderr.open("rb") as file:
            start -= self._resources.removed(self._stderr)
            file.seek(max(start, self._stderr.stat().st_size - STDERR_BYTES, 0))
            return file.read().decode(errors="replace").strip()


def _invalid_message(what: object) -> str:
    return (
        f"invalid message from the process ({what}); does the script write to sockets or files that"
        " it did not open?"
    )
