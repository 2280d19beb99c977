"""The command that repeats a mini-batch of a run."""

from __future__ import annotations

import shlex

from prefect_parallel.layout import RunDirectory


def debug_command(
    run: RunDirectory, step: str, mini_batch: int, datastores: str | None = None
) -> str:
    """The shell command that runs a mini-batch again under the debugger, from any folder."""
    root = run.root.absolute()
    command = ["prefect-parallel", "debug", str(root / run.job_file.name), "--step", step]
    command += ["--mini-batch", str(mini_batch)]
    command += ["--run", root.name, "--output-dir", str(root.parent)]
    return shlex.join([*command, *(["--datastores", datastores] if datastores else [])])
