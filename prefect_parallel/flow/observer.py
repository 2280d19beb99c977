"""Callbacks for what happens in a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect_parallel.flow.nodes.progress import Progress
    from prefect_parallel.flow.run.step_result import StepResult


class Observer:
    """Callbacks for what happens in a run; these do nothing.

    Each running step has a thread of its own, so that methods may be called at the same time.
    """

    def waiting(self, what: str) -> None:
        """The run waits for something, e.g. `the Prefect server`."""

    def warned(self, text: str) -> None:
        """Something about the run may be a mistake, or does not go as it was meant to."""

    def noted(self, step: str, text: str) -> None:
        """A fact about a step, e.g. how many mini-batches are reused."""

    def canceling(self, grace: float, *, by_ctrl_c: bool) -> None:
        """The run was interrupted; what is running has `grace` seconds to finish."""

    def command_started(self, step: str) -> None:
        """A command step runs its command."""

    def step_started(self, step: str, progress: Progress, slots: str) -> None:
        """A parallel step is about to run its mini-batches, e.g. on `2 nodes x 4 slots`."""

    def step_progressed(self, step: str, progress: Progress) -> None:
        """An attempt of a mini-batch has ended, or some time has passed."""

    def step_joining(self, step: str, text: str) -> None:
        """A step's parts are being joined, e.g. `joining parts 300/1,500`."""

    def step_ended(self, step: str, end: StepResult) -> None:
        """A step has ended."""
