"""The failures of a step, by root cause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect_parallel.output.attempts import Attempt
from prefect_parallel.output.debug_command import debug_command
from prefect_parallel.output.root_cause import root_cause
from prefect_parallel.output.run_log import RunLog, StepLog

LISTED = 20
"""Maximum number of mini-batches listed for a root cause."""


@dataclass(frozen=True)
class Cause:
    """Failures with one root cause, and an example of them.

    Attributes:
        name: See `root_cause`.
        title: The error, if it is the same each time; otherwise the name.
        attempts: Number of failed attempts.
        failed: Indexes of the mini-batches whose last attempt failed, in order.
        recovered: Number of mini-batches that succeeded in a later attempt.
        where: Mini-batch, attempt and process of the example.
        log: Path of the log with all of them, relative to the step's directory.
        debug: Command that repeats the example; None outside any mini-batch.
    """

    name: str
    title: str
    attempts: int
    failed: list[int]
    recovered: int
    error: str
    where: str
    traceback: str
    log: str
    debug: str | None

    @property
    def listed(self) -> str:
        """The indexes of the failed mini-batches, up to `LISTED`."""
        text = ", ".join(str(index) for index in self.failed[:LISTED])
        more = len(self.failed) - LISTED
        return f"{text} and {more} more" if more > 0 else text


def causes(run: RunLog, step: StepLog) -> list[Cause]:
    """The root causes of a step's failures, in descending order of frequency."""
    by_name: dict[str, list[Attempt]] = {}
    for attempt in step.attempts.failed():
        by_name.setdefault(root_cause(attempt.error or ""), []).append(attempt)
    last = {attempt.mini_batch: attempt for attempt in step.attempts.last_of_failed()}
    found = [_cause(run, step, name, attempts, last) for name, attempts in by_name.items()]
    found += _outside(step)
    return sorted(found, key=lambda cause: (-len(cause.failed), -cause.attempts, cause.name))


@dataclass(frozen=True)
class ItemCause:
    """Items that failed alone with one root cause, and an example of them.

    Attributes:
        title: See `Cause`.
        items: Number of items.
        where: Mini-batch, item and file of the example.
        debug: Command that repeats the example.
    """

    title: str
    items: int
    error: str
    where: str
    debug: str


def item_causes(step: StepLog) -> list[ItemCause]:
    """The root causes of isolated items, the most frequent first."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for item in step.failed_items:
        by_name.setdefault(root_cause(item["error"]), []).append(item)
    found = [
        ItemCause(
            title=_title(name, {item["error"] for item in items}),
            items=sum(item.get("items", 1) for item in items),
            error=items[0]["error"],
            where=f"item {items[0].get('item')} of mini-batch {items[0]['mini_batch']}, in"
            f" {items[0].get('file')} {items[0].get('range')}".rstrip(),
            debug=str(items[0].get("repeat", "")),
        )
        for name, items in by_name.items()
    ]
    return sorted(found, key=lambda cause: (-cause.items, cause.title))


def _cause(
    run: RunLog, step: StepLog, name: str, attempts: list[Attempt], last: dict[int, Attempt]
) -> Cause:
    indexes = sorted({attempt.mini_batch for attempt in attempts})
    failed = [index for index in indexes if _fails_with(last[index], name)]
    # The example is a mini-batch that still fails, if there is one: it can be debugged.
    example = next((each for each in attempts if each.mini_batch in failed), attempts[0])
    logs = step.directory.process(example.node, example.process)
    inputs = step.failed.get(example.mini_batch, {}).get("inputs")
    return Cause(
        name=name,
        title=_title(name, {attempt.error or "" for attempt in attempts}),
        attempts=len(attempts),
        failed=failed,
        recovered=sum(last[index].error is None for index in indexes),
        error=example.error or "",
        where=f"mini-batch {example.mini_batch}, attempt {example.attempt}"
        + (f" ({inputs})" if inputs else "")
        + f", on {example.node} {example.process}",
        traceback=step.traceback(example),
        log=_below(step, logs.errors),
        debug=debug_command(run.directory, step.name, example.mini_batch),
    )


def _title(name: str, errors: set[str]) -> str:
    return errors.pop() if len(errors) == 1 else name


def _fails_with(attempt: Attempt, name: str) -> bool:
    return attempt.error is not None and root_cause(attempt.error) == name


def _outside(step: StepLog) -> Iterator[Cause]:
    by_name: dict[str, list[int]] = {}
    for number, failure in enumerate(step.script_errors):
        by_name.setdefault(root_cause(failure.error), []).append(number)
    for name, numbers in by_name.items():
        first = step.script_errors[numbers[0]]
        yield Cause(
            name=name,
            title=_title(name, {step.script_errors[number].error for number in numbers}),
            attempts=len(numbers),
            failed=[],
            recovered=0,
            error=first.error,
            where=f"outside any mini-batch, on {first.node} {first.process}",
            traceback=first.traceback,
            log=_below(step, step.directory.process(first.node, first.process).errors),
            debug=None,
        )


def _below(step: StepLog, path: Path) -> str:
    return str(path.relative_to(step.directory.root))
