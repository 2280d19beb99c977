"""Running a command while watching what it and its processes use."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Usage:
    """What a command took.

    Attributes:
        seconds: From its start to its end.
        cpu: Seconds of CPU, of all of its processes.
        own_cpu: Of these, those of the command's own process.
        memory: The largest resident size of the command's own process, in bytes.
        said: Its standard output.
    """

    seconds: float
    cpu: float
    own_cpu: float
    memory: int
    said: str


def measure(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str] | None = None
) -> Usage:
    """Run a command to its end.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    cpu: dict[int, float] = {}
    memory = 0
    with tempfile.TemporaryFile("w+") as said:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        main = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                memory = max(memory, main.memory_info().rss)
                for each in (main, *main.children(recursive=True)):
                    cpu[each.pid] = sum(each.cpu_times()[:2])
            except psutil.NoSuchProcess:
                continue
            time.sleep(SAMPLE_SECONDS)
        seconds = time.monotonic() - started
        said.seek(0)
        text = said.read()
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, list(command), text)
    return Usage(seconds, sum(cpu.values()), cpu[process.pid], memory, text)


@contextmanager
def warm_server(home: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A Prefect server with a database of its own: its URL, and its process.

    Processes that are started within find it by `PREFECT_API_URL`.
    """
    os.environ["PREFECT_HOME"] = str(home)
    # Logs go to the server, as usual, but not into what a command prints.
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    os.environ["DO_NOT_TRACK"] = "1"
    os.environ.pop("PREFECT_API_URL", None)

    from prefect_parallel.flow.server.server import prefect_server

    with prefect_server() as url:
        (process,) = (
            child
            for child in psutil.Process().children(recursive=True)
            if any(f":{each.laddr.port}/" in url for each in child.net_connections("tcp4"))
        )
        yield url, process


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """As Markdown, with columns of equal width."""
    lines = [head, ["-" * len(cell) for cell in head], *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )
