"""`prefect-parallel plan`: what a run would do."""

from __future__ import annotations

import array
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from prefect_parallel.cli.console import ignored_keys, plain_console, print_titled
from prefect_parallel.cli.estimate import estimate
from prefect_parallel.data import BySize, Datastores, MiniBatch
from prefect_parallel.entry.gpus import default_slots
from prefect_parallel.errors import InvalidPipeline, Problem, advice_for, counted, without_secrets
from prefect_parallel.flow.nodes.groups import Work
from prefect_parallel.flow.run.major_input import major_input, split_input
from prefect_parallel.flow.run.unmet_requirements import unmet_requirements
from prefect_parallel.flow.run_directories.earlier_runs import EarlierRuns
from prefect_parallel.flow.run_directories.runs import Runs
from prefect_parallel.flow.run_options import RunOptions
from prefect_parallel.job import (
    CommandStep,
    Data,
    Graph,
    ParallelStep,
    PipelineStep,
    load_pipeline,
    resolve,
)

AnyStep: TypeAlias = ParallelStep | CommandStep | PipelineStep

UNKNOWN_TIME = "unknown; try a few mini-batches: prefect-parallel run --sample 5"


def plan_pipeline(
    file: Path,
    overrides: Sequence[str],
    options: RunOptions,
    *,
    only: str | None = None,
    lenient: bool = False,
) -> None:
    """Print the steps in the order in which they would run, and how the input of each is split.

    Args:
        only: A step, or a nested pipeline, to which the output is limited.

    Raises:
        InvalidPipeline: The pipeline has mistakes.
        InvalidInput: An input cannot be split.
        UnusableRunDirectory: The run whose results are reused does not exist.
    """
    console = plain_console()
    known = options.datastores
    runs = Runs.at(options.output_dir, known).folder
    job = load_pipeline(file, overrides, known, lenient=lenient)
    resolved = resolve(job)
    earlier = options.earlier_runs(resolved.force_rerun)
    steps = list(_numbered(resolved.graph))
    names = [each.name for _, each, _ in steps]
    if only is not None and only not in names:
        raise InvalidPipeline(
            [Problem(f"there is no step {only}", str(file), **advice_for(only, names))]
        )
    for number, step, after in steps:
        if only is not None and step.name != only and not step.name.startswith(f"{only}."):
            continue
        order = f", after {', '.join(sorted(after))}" if after else ""
        console.print(f"{number} {step.name} ({_kind(step)}{order})")
        work = Work()
        for title, text in _lines(step, known, work):
            console.print(f"   {title:<12} {text}")
        if isinstance(step, ParallelStep) and earlier is not None:
            work, text = _reused(step, resolved.display_name, earlier, options)
            console.print(f"   {'reuse':<12} {text}")
        if isinstance(step, ParallelStep) and work.mini_batches:
            time = estimate(runs, job.title, step.name, work, _slots(step))
            console.print(f"   {'time':<12} {time or UNKNOWN_TIME}")
    for warning in resolved.warnings:
        print_titled(console, "warning ", "yellow", str(warning))
    if job.ignored:
        console.print(ignored_keys(job.ignored))


def _numbered(graph: Graph, prefix: str = "") -> Iterator[tuple[str, AnyStep, set[str]]]:
    """The number of each step, such as `2.1.`, the step, and the steps that it runs after."""
    for number, step in enumerate(graph.steps.values(), start=1):
        yield f"{prefix}{number}.", step, graph.after[step.name]
        if isinstance(step, PipelineStep):
            yield from _numbered(step.graph, f"{prefix}{number}.")


def _kind(step: AnyStep) -> str:
    if isinstance(step, PipelineStep):
        return "pipeline"
    return "parallel" if isinstance(step, ParallelStep) else "command"


def _lines(step: AnyStep, datastores: Datastores, work: Work) -> Iterator[tuple[str, str]]:
    if isinstance(step, ParallelStep):
        yield from _parallel(step, datastores, work)
    elif isinstance(step, CommandStep):
        yield "command", step.command.strip()


def _reused(
    step: ParallelStep, pipeline: str, earlier: EarlierRuns, options: RunOptions
) -> tuple[Work, str]:
    # Imported here, as it imports Prefect.
    from prefect_parallel.flow.reuse_preview import preview

    return preview(step, pipeline, earlier, options)


def _slots(step: ParallelStep) -> int:
    return step.instance_count * (step.max_concurrency_per_instance or default_slots())


def _parallel(step: ParallelStep, datastores: Datastores, work: Work) -> Iterator[tuple[str, str]]:
    """What is printed about a step; its mini-batches are added to the work."""
    source = major_input(step)
    if isinstance(source, Data):
        yield "input", without_secrets(source.location)
        yield from _split(step, source, datastores, work)
    else:
        yield "input", f"output {source.output} of step {source.step}"
        yield "mini-batches", f"unknown until {source.step} has run"
    if step.requirements is not None and (lines := unmet_requirements(step.requirements)):
        yield "environment", f"this interpreter does not meet {', '.join(lines)}"
    nodes = counted(step.instance_count, "node")
    yield "slots", f"{_slots(step)}: {nodes} x {_slots(step) // step.instance_count}"
    yield "attempts", f"up to {1 + step.max_retries} per mini-batch, {step.timeout} s each"
    yield "thresholds", _thresholds(step)
    for name, value in step.settings.items():
        if name.endswith("_timeout") and value is not None:
            yield "", f"{name}: {value:g} s"


def _split(
    step: ParallelStep, source: Data, datastores: Datastores, work: Work
) -> Iterator[tuple[str, str]]:
    planned = split_input(step, source.location, datastores)
    amounts, unit, known = array.array("q"), "", True
    for mini_batch in planned.mini_batches:
        work.add(mini_batch)
        amount = _amount(mini_batch)
        amounts.append(amount or 0)
        unit, known = mini_batch.unit, known and amount is not None
    by = f"by {', '.join(step.partition_keys)}" if step.partition_keys else "by size"
    if BySize(step.mini_batch_size).rows and not step.partition_keys:
        by = f"of {step.mini_batch_size}"
    yield "mini-batches", f"{len(amounts)}, {by}"
    if known:
        middle = statistics.median_low(amounts)
        yield "", f"smallest {min(amounts)}, median {middle}, largest {max(amounts)} {unit}"
    for note in planned.notes:
        yield "note", note


def _amount(mini_batch: MiniBatch) -> int | None:
    """Number of files, bytes or rows in a mini-batch; None if it is unknown before reading."""
    if mini_batch.unit == "files":
        return len(mini_batch.pieces)
    total = 0
    for piece in mini_batch.pieces:
        stop = piece.file.size if piece.stop is None and mini_batch.unit == "bytes" else piece.stop
        if stop is None:
            return None
        total += stop - piece.start
    return total


def _thresholds(step: ParallelStep) -> str:
    parts = []
    if step.mini_batch_error_threshold >= 0:
        parts.append(counted(step.mini_batch_error_threshold, "failed mini-batch"))
    if step.error_threshold >= 0:
        parts.append(counted(step.error_threshold, "failed item"))
    if step.allowed_failed_percent < 100:
        parts.append(f"{step.allowed_failed_percent:g} % failed mini-batches")
    return f"fails with more than {' or '.join(parts)}" if parts else "none, failures are ignored"
