"""The command that repeats a mini-batch of a run."""

from __future__ import annotations

import shlex

from prefect_parallel.layout import RunDirectory


def debug_command(run: RunDirectory, step: str, mini_batch: int) -> str:
    """What to type, in any folder, to run a mini-batch again under the debugger."""
    root = run.root.absolute()
    command = ["prefect-parallel", "debug", str(root / run.job_file.name), "--step", step]
    command += ["--mini-batch", str(mini_batch)]
    return shlex.join([*command, "--run", root.name, "--output-dir", str(root.parent)])
