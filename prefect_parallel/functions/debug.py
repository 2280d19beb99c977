"""One mini-batch of a function's data in this process."""

from __future__ import annotations

import pdb
import tempfile
from pathlib import Path
from typing import Any

from prefect_parallel.data import NO_DATASTORES
from prefect_parallel.debugged_mini_batch import DebuggedMiniBatch
from prefect_parallel.flow.run.step_data import StepData
from prefect_parallel.flow.server.block_datastores import with_blocks
from prefect_parallel.functions.call import pipeline_of
from prefect_parallel.functions.settings import Settings
from prefect_parallel.functions.target import Target
from prefect_parallel.job import resolve
from prefect_parallel.layout import RunDirectory


def debug(
    target: Target, settings: Settings, data: Any, index: int, item: int | None, *, use_pdb: bool
) -> Any:
    """Call a function with one mini-batch; arguments as for `ParallelFunction.debug`."""
    with tempfile.TemporaryDirectory(prefix="prefect-parallel-debug-") as scratch:
        run = RunDirectory(Path(scratch))
        known = with_blocks(NO_DATASTORES)
        job = pipeline_of(target, settings, data, run, ".jsonl", known)
        step = resolve(job).steps[target.step_name]
        debugged = DebuggedMiniBatch.of(StepData(step, run, known), index, item=item)
        with debugged.environment():
            try:
                return debugged.run(print)
            except Exception:
                if use_pdb:
                    pdb.post_mortem()
                raise
