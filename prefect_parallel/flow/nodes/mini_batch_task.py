"""The Prefect task that runs mini-batches on a node."""

from __future__ import annotations

import json
import logging
import time
from typing import Any, cast

from distributed import get_worker
from prefect import runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.logging import get_run_logger
from prefect.states import Cancelled
from prefect.tasks import Task

from prefect_parallel.data import MiniBatch
from prefect_parallel.entry.pool import PoolClosed
from prefect_parallel.flow.nodes.group_packs import GroupPacks
from prefect_parallel.flow.nodes.node import (
    TRACEBACK_CHARACTERS,
    MiniBatchFailed,
    Node,
    NodePlugin,
)
from prefect_parallel.flow.nodes.slots import return_to_slot
from prefect_parallel.output.part import Record

PRINTED_BYTES = 10_000
"""The most that goes to the log of a task run of what its script prints; the files have all."""


def _worth_retrying(_: Task[..., Any], __: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), MiniBatchFailed)


def _run_name() -> str:
    parameters = runtime.task_run.parameters
    first, last = parameters["first"], parameters["last"]
    return f"mini-batch-{first}" if first == last else f"mini-batches-{first}-to-{last}"


@task(
    name="mini-batch",
    task_run_name=_run_name,
    retry_condition_fn=_worth_retrying,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def process_mini_batches(
    key: str, group: str, first: int, last: int, limit: float | None
) -> int | State[None]:
    """Run those mini-batches of a group that have no final part yet.

    Args:
        key: Name of the step's plugin.
        group: Descriptors of neighboring mini-batches, as JSON.
        first: Index of the first of them, for the name of the task run.
        last: Index of the last of them.
        limit: The seconds after which no more of them are started; None: all are run.

    Returns:
        How many items succeeded; a state if the node was closed meanwhile.

    Raises:
        MiniBatchFailed: A mini-batch failed; Prefect runs the task again while retries are left.
    """
    plugin = get_worker().plugins.get(key)
    if plugin is None:
        return Cancelled(message="the node was closed")
    try:
        node = cast(NodePlugin, plugin).node
        return _process(node, json.loads(group), node.packs(first, last), limit)
    except PoolClosed:
        return Cancelled(message="the node was closed")


def _process(
    node: Node, descriptors: list[dict[str, Any]], packs: GroupPacks, limit: float | None
) -> int:
    context = TaskRunContext.get()
    assert context is not None
    attempt, retries = context.task_run.run_count, context.task.retries
    logger = get_run_logger()
    succeeded, failed = 0, list[Record]()
    printable, traceable = PRINTED_BYTES, TRACEBACK_CHARACTERS
    mini_batches = [MiniBatch.from_json(each) for each in descriptors]
    first = mini_batches[0].index
    if attempt > 1:
        return_to_slot()
        # What the first attempt gave back is run elsewhere.
        mini_batches = [each for each in mini_batches if node.has_run(each, packs)]
    started = time.monotonic()
    for number, mini_batch in enumerate(mini_batches):
        is_late = limit is not None and time.monotonic() - started > limit
        if is_late and number and attempt == 1:
            logger.info(
                "Mini-batches take longer than expected: those from %s on are run in other task"
                " runs", mini_batch.index,
            )  # fmt: skip
            node.give_back(first, mini_batch.index)
            break
        following = mini_batches[number + 1] if number + 1 < len(mini_batches) else None
        record = node.run(mini_batch, attempt, retries=retries, following=following, packs=packs)
        if printed := node.pool.read_new_stdout(record, printable):
            logger.info(printed)
            printable = max(printable - len(printed), 0)
        succeeded += record.succeeded
        if record.error is not None:
            failed.append(record)
            text = node.describe_failure(record, traceable)
            logger.log(logging.WARNING if attempt <= retries else logging.ERROR, text)
            traceable = max(traceable - len(text), 0)
    if failed:
        if attempt <= retries:
            node.prepare_wait(context.task, first, attempt, failed)
        raise MiniBatchFailed(
            "; ".join(f"mini-batch {each.index}: {each.error}" for each in failed)
        )
    return succeeded
