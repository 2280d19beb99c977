"""`prefect-parallel debug`: one mini-batch in this process, with the debugger."""

from __future__ import annotations

import os
import pdb
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from prefect_parallel.cli.console import plain_console
from prefect_parallel.data import (
    Datastores,
    MiniBatch,
    MiniBatchContext,
    Plan,
    Reader,
    open_reader,
)
from prefect_parallel.entry.config import ProcessName
from prefect_parallel.entry.function_file import load_entry
from prefect_parallel.entry.script import (
    Script,
    install_azureml_user,
    script_traceback,
)
from prefect_parallel.errors import InvalidInput, PrefectParallelError, advice_for
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.run.environments import Environments
from prefect_parallel.flow.run.major_input import major_input, split_input
from prefect_parallel.flow.run.step_data import StepData
from prefect_parallel.flow.server.placeholders import look_up
from prefect_parallel.flow.server.server import prefect_server
from prefect_parallel.job import OutputOf, ParallelStep, load_pipeline, resolve
from prefect_parallel.layout import RunDirectory, StepDirectory

DEBUGGED = ProcessName("node-0", "debug")


class CannotDebug(PrefectParallelError):
    """The step does not exist, or needs the output of a run that was not given."""


def debug_mini_batch(
    file: Path,
    overrides: Sequence[str],
    *,
    step: str,
    mini_batch: int,
    run: Path | None,
    datastores: Datastores,
    use_pdb: bool,
) -> bool:
    """Call `init` and `run` with one mini-batch; True if they raised no exception.

    Args:
        run: Run directory that outputs of earlier steps are read from.
        use_pdb: Whether an exception starts the debugger.

    Raises:
        CannotDebug: The step does not exist, or needs the output of a run that was not given.
        InvalidInput: The input cannot be split, or has no such mini-batch.
    """
    console = plain_console(stderr=True)
    found = _step(file, overrides, step)
    scratch = Path(tempfile.mkdtemp(prefix="prefect-parallel-debug-"))
    ours = StepData(found, RunDirectory(scratch), datastores)
    theirs = ours if run is None else StepData(found, RunDirectory(run.absolute()), datastores)
    planned = _plan(found, theirs, has_run=run is not None)
    batch = _mini_batch(planned, mini_batch)
    for warning in Environments().prepare([found], Observer()):
        console.print(f"warning: {warning}; debugging in this one")
    console.print(f"mini-batch {mini_batch}: {batch.describe()}")
    console.print(f"outputs: {ours.directory.outputs}")
    ours.make_outputs()
    arguments = found.arguments(theirs.input_values(ours.file_cache) | ours.output_values())
    for place in theirs.to_fetch():
        ours.file_cache.input(place)
    _enter(found, arguments, ours.directory)
    reader = open_reader(planned.reader, datastores, ours.file_cache)
    return _call(lambda: _attempt(found, reader, batch, console), use_pdb=use_pdb)


def _step(file: Path, overrides: Sequence[str], name: str) -> ParallelStep:
    steps = resolve(load_pipeline(file, overrides)).steps
    found = steps.get(name)
    if not isinstance(found, ParallelStep):
        known = [name for name, each in steps.items() if isinstance(each, ParallelStep)]
        raise CannotDebug(f"{file} has no parallel step {name}", **advice_for(name, known))
    return found


def _plan(step: ParallelStep, data: StepData, *, has_run: bool) -> Plan:
    source = major_input(step)
    if isinstance(source, OutputOf) and not has_run:
        raise CannotDebug(
            f"the input of {step.name} is an output of {source.step}",
            hint="name a run that has produced it with --run",
        )
    return split_input(step, data.location(source), data.datastores)


def _mini_batch(planned: Plan, index: int) -> MiniBatch:
    last = -1
    for mini_batch in planned.mini_batches:
        if mini_batch.index == index:
            return mini_batch
        last = mini_batch.index
    raise InvalidInput(f"no mini-batch {index}", allowed=f"0 to {last}")


def _enter(step: ParallelStep, arguments: list[str], directory: StepDirectory) -> None:
    """Set up this process like an entry process, with the code itself instead of a snapshot."""
    import logging

    logging.basicConfig(level=step.logging_level)
    log_dir = DEBUGGED.logs(directory).entry_script_log.parent
    log_dir.mkdir(parents=True, exist_ok=True)
    install_azureml_user(
        logger=logging.getLogger("entry_script"),
        log_dir=log_dir,
        output_dir=directory.outputs,
        agent_name=DEBUGGED.process,
        node_id=DEBUGGED.node,
    )
    os.environ.update(step.environment_variables)
    os.environ.update(_looked_up(step))
    os.chdir(_code(step))
    sys.path.insert(0, str(_code(step)))
    sys.argv = [step.entry_script, *arguments]


def _looked_up(step: ParallelStep) -> dict[str, str]:
    """Environment variables whose values a Prefect server has."""
    if not step.environment_templates:
        return {}
    with prefect_server():
        return look_up(step.environment_templates)


def _code(step: ParallelStep) -> Path:
    return step.code if step.code.is_dir() else step.code.parent


def _attempt(step: ParallelStep, reader: Reader, batch: MiniBatch, console: Console) -> None:
    script: Script = load_entry(_code(step), step.entry_script)
    console.print("init()")
    script.init()
    data = reader.read(batch)
    console.print(f"run() on {len(data)} items")
    returned = script.run(data, MiniBatchContext.of(batch, step.input_name, data))
    console.print(f"run() returned {type(returned).__name__}:")
    print(returned)
    script.shutdown()


def _call(attempt: Callable[[], None], *, use_pdb: bool) -> bool:
    try:
        attempt()
    except Exception as error:
        print(script_traceback(error), end="", file=sys.stderr)
        if use_pdb:
            pdb.post_mortem()
        return False
    return True
