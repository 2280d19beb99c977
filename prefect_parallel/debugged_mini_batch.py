"""One mini-batch of a step, run in this process, where a debugger can follow it."""

from __future__ import annotations

import itertools
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect_parallel.data import MiniBatch, MiniBatchContext, Plan, Reader, open_reader
from prefect_parallel.entry.azure_variables import azure_variables
from prefect_parallel.entry.config import ProcessName
from prefect_parallel.entry.function_file import EntryNames, load_entry
from prefect_parallel.entry.output_dir import the_only_output
from prefect_parallel.entry.script import install_azureml_user
from prefect_parallel.errors import InvalidInput, PrefectParallelError, counted
from prefect_parallel.flow.run.major_input import major_input, split_input
from prefect_parallel.flow.run.step_data import StepData, folder_outputs
from prefect_parallel.job import OutputOf, ParallelStep
from prefect_parallel.layout import StepDirectory

DEBUGGED = ProcessName("node-0", "debug")


class CannotDebug(PrefectParallelError):
    """The step does not exist, or needs the output of a run that was not given."""


@dataclass(frozen=True)
class DebuggedMiniBatch:
    """A mini-batch that is about to run in this process.

    Attributes:
        step: The step.
        mini_batch: The mini-batch.
        item: The only item of it to run; None: all.
        reader: Reads it.
        arguments: `sys.argv` after the script's name.
        variables: Environment variables, but for those that are looked up.
        directory: Where outputs and logs go.
    """

    step: ParallelStep
    mini_batch: MiniBatch
    item: int | None
    reader: Reader
    arguments: tuple[str, ...]
    variables: dict[str, str]
    directory: StepDirectory

    @classmethod
    def of(
        cls,
        ours: StepData,
        index: int,
        *,
        item: int | None = None,
        run: StepData | None = None,
    ) -> DebuggedMiniBatch:
        """Read the plan of a step, and fetch what its arguments refer to.

        Args:
            ours: The step, with a directory for what it writes.
            index: Index of the mini-batch.
            item: The only item of it to run; None: all.
            run: The step in a run that has the outputs of earlier steps.

        Raises:
            CannotDebug: It needs the output of an earlier step, and there is no `run`.
            InvalidInput: The input cannot be split, or has no such mini-batch or item.
        """
        step, theirs = ours.step, run or ours
        assert isinstance(step, ParallelStep)
        planned = _plan(step, theirs, has_run=run is not None)
        mini_batch = None
        if run is not None and planned.kind == "files" and index >= 0:
            # A run that reuses others keeps their compositions.
            mini_batch = _mini_batch_of(run.directory.plan, index)
        mini_batch = mini_batch or _mini_batch(planned, index)
        ours.make_outputs()
        values = theirs.input_values(ours.file_cache) | ours.output_values()
        for place in theirs.to_fetch():
            ours.file_cache.input(place)
        reader = open_reader(planned.reader, ours.datastores, ours.file_cache)
        if item is not None:
            _refuse_missing(item, mini_batch, len(reader.read(mini_batch)))
        arguments, variables = tuple(step.arguments(values)), step.variables(values)
        return cls(step, mini_batch, item, reader, arguments, variables, ours.directory)

    @contextmanager
    def environment(self) -> Iterator[None]:
        """Make this process like an entry process, with the code itself instead of a snapshot."""
        before = dict(os.environ), Path.cwd(), list(sys.path), sys.argv
        try:
            self._enter()
            yield
        finally:
            os.environ.clear()
            os.environ.update(before[0])
            os.chdir(before[1])
            sys.path[:], sys.argv = before[2:]

    def run(self, say: Callable[[str], None]) -> object:
        """Call `init`, `run` and `shutdown`; returns what `run` returns.

        Args:
            say: Is told what is called.
        """
        script = load_entry(self._code, self.step.entry_script)
        names = EntryNames.of(self._code, self.step.entry_script)
        say(names.init)
        script.init()
        data = self._data()
        say(f"{names.run} on {counted(len(data), 'item')}")
        context = MiniBatchContext.of(self.mini_batch, self.step.input_name, data, self._output_dir)
        returned = script.run(data, context)
        say(f"{names.run} returned {type(returned).__name__}")
        script.shutdown()
        return returned

    def _output_dir(self) -> Path:
        return self.directory.output(the_only_output(folder_outputs(self.step)))

    def _data(self) -> Any:
        if self.item is None:
            return self.reader.read(self.mini_batch)
        return self.reader.read_items(self.mini_batch, range(self.item, self.item + 1))

    @property
    def _code(self) -> Path:
        return self.step.code if self.step.code.is_dir() else self.step.code.parent

    def _enter(self) -> None:
        logging.basicConfig(level=self.step.logging_level)
        log_dir = DEBUGGED.logs(self.directory).entry_script_log.parent
        log_dir.mkdir(parents=True, exist_ok=True)
        os.environ.update(
            azure_variables(
                DEBUGGED.process, self.step.name, nodes=1, output=self.directory.outputs
            )
        )
        os.environ.update(self.variables)
        install_azureml_user(DEBUGGED, self.directory, self._code, self.step.entry_script)
        os.environ.update(_looked_up(self.step))
        os.chdir(self._code)
        sys.path.insert(0, str(self._code))
        sys.argv = [self.step.entry_script, *self.arguments]


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


def _refuse_missing(item: int, mini_batch: MiniBatch, items: int) -> None:
    if not 0 <= item < items:
        message = f"mini-batch {mini_batch.index} has no item {item}"
        raise InvalidInput(message, allowed=f"0 to {items - 1}")


def _mini_batch_of(plan: Path, index: int) -> MiniBatch | None:
    """The mini-batch of a plan file; None if it has no such line."""
    if not plan.exists():
        return None
    with plan.open("rb") as lines:
        line = next(itertools.islice(lines, index, None), None)
    return None if line is None else MiniBatch.from_json(json.loads(line)["mini_batch"])


def _looked_up(step: ParallelStep) -> dict[str, str]:
    """Environment variables whose values a Prefect server has."""
    if not step.environment_templates:
        return {}
    # Imported here, since Prefect takes seconds to import.
    from prefect_parallel.flow.server.placeholders import look_up
    from prefect_parallel.flow.server.server import prefect_server

    with prefect_server():
        return look_up(step.environment_templates)
