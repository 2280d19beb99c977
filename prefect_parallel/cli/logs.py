"""`prefect-parallel logs`: what the script of a step printed, or the errors it failed with."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from prefect_parallel.cli.console import plain_console
from prefect_parallel.errors import PrefectParallelError, advice_for
from prefect_parallel.flow.run_directories.lock import held_since
from prefect_parallel.lasting_console import discard_output
from prefect_parallel.layout import RunDirectory, StepDirectory

FOLLOW_SECONDS = 0.5

CHUNK_BYTES = 1024 * 1024


class NoSuchLog(PrefectParallelError):
    """No step or process of that name has logs."""


def print_logs(
    run: Path, *, step: str | None, process: str | None, failed: bool, follow: bool
) -> None:
    """Print the logs of a step to standard output, each below a line with its path.

    Args:
        step: None if only one step has logs.
        process: `process003` or `node-0/process003`; None for all.
        failed: Print only errors, with full tracebacks.
        follow: Keep printing new output until the step or the run has ended.

    Raises:
        NoSuchLog: No such step or process has logs, or several steps have and none was chosen.
    """
    directory = RunDirectory(run)
    found = directory.step(_step(directory, step))
    logs = _StepLogs(found, process, failed=failed)
    printer = _Printer()
    try:
        logs.refuse_unknown_process()
        printer.print_new(logs.files())
        while follow and _is_running(directory, found):
            time.sleep(FOLLOW_SECONDS)
            printer.print_new(logs.files())
        if follow:
            # Output written after the last read and before the end.
            printer.print_new(logs.files())
        if printer.is_empty:
            nothing = "has no errors" if failed else "has printed and logged nothing"
            plain_console(stderr=True).print(f"step {found.root.name} {nothing}")
    except BrokenPipeError:
        # The reader, e.g. `head`, has closed the pipe.
        discard_output()
    except KeyboardInterrupt:
        return


class _StepLogs:
    def __init__(self, step: StepDirectory, process: str | None, *, failed: bool) -> None:
        self._step = step
        self._process = process
        self._failed = failed

    def refuse_unknown_process(self) -> None:
        known = self._step.processes()
        if self._process is None or any(self._is_chosen(*each) for each in known):
            return
        names = [f"{node}/{process}" for node, process in known]
        raise NoSuchLog(f"process {self._process} has no logs", **advice_for(self._process, names))

    def files(self) -> list[Path]:
        """The files that exist so far, in order."""
        return [path for path in self._all() if path.exists()]

    def _all(self) -> Iterator[Path]:
        yield self._step.command_log
        for node, process in self._step.processes():
            if self._is_chosen(node, process):
                logs = self._step.process(node, process)
                if self._failed:
                    yield logs.errors
                else:
                    yield from (logs.stdout, logs.stderr, logs.entry_script_log)

    def _is_chosen(self, node: str, process: str) -> bool:
        return self._process in (None, process, f"{node}/{process}")


class _Printer:
    """Prints what was appended to files since the last call."""

    def __init__(self) -> None:
        self._printed: dict[Path, int] = {}
        self._current: Path | None = None

    @property
    def is_empty(self) -> bool:
        return self._current is None

    def print_new(self, files: list[Path]) -> None:
        for path in files:
            with path.open("rb") as file:
                size = path.stat().st_size
                # A file that has shrunk had its middle removed by LogCap: only its tail is new.
                file.seek(min(self._printed.get(path, 0), size))
                while chunk := file.read(CHUNK_BYTES):
                    self._print(path, chunk)
                self._printed[path] = file.tell()
        sys.stdout.buffer.flush()

    def _print(self, path: Path, chunk: bytes) -> None:
        out = sys.stdout.buffer
        if path != self._current:
            start = "" if self._current is None else "\n"
            out.write(f"{start}==> {path} <==\n".encode(errors="surrogateescape"))
            self._current = path
        out.write(chunk)


def _is_running(run: RunDirectory, step: StepDirectory) -> bool:
    """Whether the run has a driver, and the step has not ended since that driver started."""
    since = held_since(run)
    if since is None:
        return False
    ends = (step.job_result, step.completed)
    return not any(path.exists() and path.stat().st_mtime >= since for path in ends)


def _step(run: RunDirectory, name: str | None) -> str:
    names = run.step_names()
    if name is None and len(names) == 1:
        return names[0]
    if name is not None and name in names:
        return name
    if name is None and names:
        raise NoSuchLog(
            f"several steps of {run.root} have logs: {', '.join(names)}",
            hint="choose one with --step",
        )
    if name is None:
        raise NoSuchLog(f"no step of {run.root} has logs yet")
    raise NoSuchLog(f"step {name} of {run.root} has no logs", **advice_for(name, names))
