"""The command that repeats a mini-batch of a run."""

from __future__ import annotations

import shlex

from prefect_parallel.layout import RunDirectory


def debug_command(
    run: RunDirectory,
    step: str,
    mini_batch: int,
    datastores: str | None = None,
    item: int | None = None,
) -> str:
    """The shell command that runs a mini-batch again under the debugger, from any folder.

    Args:
        item: The only item of it to run; None: all.
    """
    command = ["prefect-parallel", "debug", str(run.root.absolute())]
    if not run.function(step).exists():
        command += ["--step", step]  # The run of a function has no other step.
    command += ["--mini-batch", str(mini_batch)]
    command += [] if item is None else ["--item", str(item)]
    return shlex.join([*command, *(["--registry", datastores] if datastores else [])])
