"""`prefect-parallel debug`: one mini-batch in this process, with the debugger."""

from __future__ import annotations

import pdb
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from prefect_parallel.cli.console import plain_console
from prefect_parallel.cli.earlier_run import earlier_run
from prefect_parallel.data import Datastores
from prefect_parallel.debugged_mini_batch import CannotDebug, DebuggedMiniBatch
from prefect_parallel.entry.script import script_traceback
from prefect_parallel.errors import advice_for
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.run.environments import Environments
from prefect_parallel.flow.run.step_data import StepData
from prefect_parallel.job import ParallelStep, PipelineJob, load_pipeline, resolve
from prefect_parallel.layout import RunDirectory


def debug_mini_batch(
    pipeline: str,
    overrides: Sequence[str],
    *,
    step: str | None,
    mini_batch: int,
    item: int | None,
    run: str | None,
    output_dir: str,
    datastores: Datastores,
    use_pdb: bool,
) -> bool:
    """Call `init` and `run` with one mini-batch; True if they raised no exception.

    Args:
        pipeline: YAML file of a pipeline, or the name or directory of a run.
        step: Name of the step; None: the only parallel step.
        item: The only item of the mini-batch to run; None: all.
        run: With a file, the name of the run that outputs of earlier steps are read from.
        use_pdb: Whether an exception starts the debugger.

    Raises:
        CannotDebug: The step does not exist, or needs the output of a run that was not given.
        InvalidInput: The input cannot be split, or has no such mini-batch.
    """
    console = plain_console(stderr=True)
    is_file = Path(pipeline).is_file() or pipeline.endswith((".yml", ".yaml"))
    name = run if is_file else pipeline
    root = None if name is None else earlier_run(output_dir, name, datastores).absolute()
    earlier = None if root is None else RunDirectory(root)
    file = earlier.job_file if earlier and not is_file else Path(pipeline)
    job = load_pipeline(file, overrides, datastores)
    found = _step(job, None if root is None else root.name, file, step)
    scratch = RunDirectory(Path(tempfile.mkdtemp(prefix="prefect-parallel-debug-")))
    ours = StepData(found, scratch, datastores)
    theirs = None if earlier is None else StepData(found, earlier, datastores)
    debugged = DebuggedMiniBatch.of(ours, mini_batch, item=item, run=theirs)
    for warning in Environments().prepare([found], Observer()):
        console.print(f"warning: {warning}; debugging in this one")
    console.print(f"mini-batch {mini_batch}: {debugged.mini_batch.describe()}")
    console.print(f"outputs: {ours.directory.outputs}")
    with debugged.environment():
        return _call(lambda: print(debugged.run(console.print)), use_pdb=use_pdb)


def _step(job: PipelineJob, run: str | None, file: Path, name: str | None) -> ParallelStep:
    steps = resolve(job, run=run).steps
    parallel = {name: each for name, each in steps.items() if isinstance(each, ParallelStep)}
    if name is None:
        if len(parallel) == 1:
            return next(iter(parallel.values()))
        raise CannotDebug(
            f"{file} has {len(parallel)} parallel steps",
            allowed=", ".join(parallel) or None,
            hint="name one with --step" if parallel else None,
        )
    if name not in parallel:
        raise CannotDebug(f"{file} has no parallel step {name}", **advice_for(name, parallel))
    return parallel[name]


def _call(attempt: Callable[[], None], *, use_pdb: bool) -> bool:
    try:
        attempt()
    except Exception as error:
        print(script_traceback(error), end="", file=sys.stderr)
        if use_pdb:
            pdb.post_mortem()
        return False
    return True
