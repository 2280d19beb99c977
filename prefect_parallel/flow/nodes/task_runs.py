"""The task runs of a step: submitted little by little, and again when they are lost."""

from __future__ import annotations

import itertools
import json
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any, cast

from distributed import Future
from prefect.tasks import Task
from prefect_dask.task_runners import PrefectDaskFuture

from prefect_parallel.flow.nodes.events import (
    GivenBack,
    RetryWaits,
    StepEvent,
    TaskRunBroken,
    TaskRunEnded,
)
from prefect_parallel.flow.nodes.groups import Group, Groups
from prefect_parallel.flow.nodes.node_group import CONNECTED, NodeGroup, NodesGone

SCHEDULER_GONE = "the Dask scheduler is gone; when it is back, resume the run"

MAX_WAITING = 100
"""Number of waiting task runs that do not count in the window: each is a thread of a node."""

LOOK_AGAIN_SECONDS = 0.5
"""How long it may take until the scheduler and the client know the same of a task run."""


@dataclass(frozen=True)
class _Missed:
    """Task runs that were assigned to no node at a time, by `time.monotonic()`."""

    at: float
    memberships: dict[str, int]
    keys: set[object]


class TaskRuns:
    """Task runs over groups of mini-batches, of which only a window is submitted at a time.

    What it means that Dask reports the end of one, by the status of its future:

    - `finished`: The task run has ended, successfully or not.
    - `lost`: It had ended, too, and its result was lost together with the worker that had it.
      Nobody needs the result. Dask would compute it again, but not once the future is released.
    - `cancelled`: The scheduler was restarted, or the connection to it was lost, and with it
      everything that was submitted. The group is submitted again if the client has the scheduler
      back. If not, the step fails.
    - `error`: Dask could not run it, e.g. because it killed one worker after the other. The step
      fails.

    `pending` is not an end: what ran on a worker that is lost, Dask itself runs on another one. A
    task run that is not assigned to a node is canceled here whenever nodes come or go, and
    submitted again.

    A group that runs again runs only those of its mini-batches that have no final part yet.
    """

    def __init__(
        self,
        nodes: NodeGroup,
        events: SimpleQueue[StepEvent],
        key: str,
        task: Task[..., Any],
        groups: Groups,
        window: int,
    ) -> None:
        """Prepare the task runs; none is submitted yet.

        Args:
            events: Gets the end of each.
            key: Of the nodes' plugin.
            task: Each is one of this task.
            groups: The mini-batches of each; also an attribute.
            window: How many are submitted at a time.
        """
        self._nodes = nodes
        self._events = events
        self._key = key
        self._task = task
        self.groups = groups
        self._is_canceled = False
        self._window = window
        self._memberships = dict(nodes.memberships)
        self._missed: _Missed | None = None
        self._scheduler = nodes.client.scheduler_info()["id"]
        self._in_flight: dict[object, tuple[Future[Any], Group]] = {}
        self._lost: list[Group] = []
        # Index of the first mini-batch -> when the wait of its task run ends.
        self._waiting: dict[int, float] = {}

    def refill(self) -> bool:
        """Submit what the window has room for; False if all have ended.

        Raises:
            NodesGone: Nothing can run any more.
        """
        self._nodes.check()
        self._cancel_stranded()
        if self._lost and not self._is_connected():
            return True
        while self._lost:
            self._submit(self._lost.pop())
        now = time.monotonic()
        self._waiting = {first: end for first, end in self._waiting.items() if end > now}
        window = self._window + min(len(self._waiting), MAX_WAITING)
        room = 0 if self._is_canceled else max(window - len(self._in_flight), 0)
        for group in itertools.islice(self.groups, room):
            self._submit(group)
        return bool(self._in_flight)

    def note_end(self, event: TaskRunEnded) -> None:
        """Make room for another task run."""
        _, group = self._in_flight.pop(event.key)
        if event.is_lost:
            self._lost.append(group)

    def take_back(self, event: GivenBack) -> None:
        """Let other task runs run the rest of a group."""
        for key, (future, group) in self._in_flight.items():
            mini_batches = group.mini_batches
            if mini_batches[0].index == event.first:
                kept = [each for each in mini_batches if each.index < event.rest]
                self._in_flight[key] = future, replace(group, mini_batches=kept)
                self.groups.put_back(mini_batches[len(kept) :])

    def note_waiting(self, event: RetryWaits) -> None:
        """Submit another task run in place of one that waits for its retry."""
        self._waiting[event.first] = time.monotonic() + event.seconds

    def leave_out(self, address: str) -> bool:
        """As `NodeGroup.leave_out`. Other nodes run what the node had."""
        return self._nodes.leave_out(address)

    def cancel(self) -> None:
        """Submit no more, and cancel what has not started."""
        self._is_canceled = True
        self._cancel([future for future, _ in self._in_flight.values()])

    def _cancel_stranded(self) -> None:
        """After nodes have come or gone, cancel the task runs that are not assigned to a node.

        Task runs of a worker that has joined again were assigned to it before, and never start.
        One that was just sent to the scheduler, or has just ended, is not assigned, either. So only
        those that are missing twice are canceled.
        """
        now = dict(self._nodes.memberships)
        client = self._nodes.client
        if now == self._memberships or client.status != CONNECTED:
            return
        missed = self._missed if self._missed and self._missed.memberships == now else None
        if missed is not None and time.monotonic() < missed.at + LOOK_AGAIN_SECONDS:
            return
        with suppress(OSError):
            assigned = client.processing()
            on_nodes = {
                key
                for address, number in now.items()
                if self._memberships.get(address, number) == number
                for key in assigned.get(address, ())
            }
            keys = self._in_flight.keys() - on_nodes
            if missed is None:
                self._missed = _Missed(time.monotonic(), now, keys)
                return
            self._cancel([self._in_flight[key][0] for key in keys & missed.keys])
            self._memberships, self._missed = now, None

    def _cancel(self, futures: list[Future[Any]]) -> None:
        pending = [future for future in futures if future.status == "pending"]
        if pending and self._nodes.client.status == CONNECTED:
            with suppress(OSError):
                self._nodes.client.cancel(pending)

    def _is_connected(self) -> bool:
        """Whether the client has the scheduler back.

        Raises:
            NodesGone: The client gave up, or there is another scheduler, which knows no plugins.
        """
        client = self._nodes.client
        if client.status == "connecting":
            return False
        if client.status != CONNECTED or client.scheduler_info()["id"] != self._scheduler:
            raise NodesGone(SCHEDULER_GONE)
        return True

    def _submit(self, group: Group) -> None:
        # As text: Prefect would look into each list and dictionary for what it waits for.
        text = json.dumps([mini_batch.to_json() for mini_batch in group.mini_batches])
        first, last = group.mini_batches[0].index, group.mini_batches[-1].index
        submitted = self._task.submit(self._key, text, first, last, group.limit)
        future = cast(PrefectDaskFuture[int], submitted).wrapped_future
        self._in_flight[future.key] = future, group
        future.add_done_callback(self._report_end)

    def _report_end(self, future: Future[Any]) -> None:
        if future.status == "error":
            self._events.put(TaskRunBroken(str(future.exception())))
        self._events.put(TaskRunEnded(future.key, is_lost=future.status == "cancelled"))
