"""`prefect-parallel logs`: what a step's script printed, or why it failed."""

from __future__ import annotations

import difflib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.run_directories.lock import held_since
from prefect_parallel.layout import RunDirectory, StepDirectory
from prefect_parallel.output.run_log import existing_run

FOLLOW_SECONDS = 0.5

CHUNK_BYTES = 1024 * 1024


class NoSuchLog(PrefectParallelError):
    """There is no such step or process."""


def print_logs(
    run: Path, *, step: str | None, process: str | None, failed: bool, follow: bool
) -> None:
    """Print a step's logs to standard output, each under its name.

    Args:
        run: The run directory.
        step: May be left out if only one step has logs.
        process: `process003`, or `node-0/process003`; None for all.
        failed: Only the errors, with full tracebacks.
        follow: Go on with what comes until the step has ended, or its run.

    Raises:
        NoSuchRun: There is no such run.
        NoSuchLog: There is no such step or process.
    """
    directory = existing_run(RunDirectory(run))
    found = directory.step(_step(directory, step))
    logs = _StepLogs(found, process, failed=failed)
    printer = _Printer()
    try:
        logs.refuse_unknown_process()
        printer.print_news(logs.files())
        while follow and _goes_on(directory, found):
            time.sleep(FOLLOW_SECONDS)
            printer.print_news(logs.files())
        if follow:
            # What was written between the last look and the end.
            printer.print_news(logs.files())
    except BrokenPipeError:
        # Whoever read this, `head` say, has seen enough.
        sys.stderr.close()
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
        names = ", ".join(f"{node}/{process}" for node, process in known)
        raise NoSuchLog(f"no process {self._process} has logs; there are: {names or 'none yet'}")

    def files(self) -> list[Path]:
        """The files that are there so far, in order."""
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
    """Knows how much of each file it has printed."""

    def __init__(self) -> None:
        self._printed: dict[Path, int] = {}
        self._current: Path | None = None

    def print_news(self, files: list[Path]) -> None:
        for path in files:
            with path.open("rb") as file:
                size = path.stat().st_size
                # A file that has grown smaller had its middle taken out: the tail is what is new.
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


def _goes_on(run: RunDirectory, step: StepDirectory) -> bool:
    """Whether the run has a driver, and the step has not ended since that one took over."""
    since = held_since(run)
    if since is None:
        return False
    ends = (step.job_result, step.completed)
    return not any(path.exists() and path.stat().st_mtime >= since for path in ends)


def _step(run: RunDirectory, name: str | None) -> str:
    names = run.step_names()
    if name is None and len(names) == 1:
        return names[0]
    if name in names:
        return str(name)
    there = f"the steps of {run.root} that have started: {', '.join(names) or 'none'}"
    if name is None:
        raise NoSuchLog(f"name a step, with --step; {there}")
    near = difflib.get_close_matches(name, names, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    raise NoSuchLog(f"no step {name} has logs{meant}; {there}")
