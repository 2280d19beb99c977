"""Who is told how a run goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect_parallel.flow.nodes.progress import Progress
    from prefect_parallel.flow.run.step_result import StepResult


class Observer:
    """Is told what happens in a run; this one keeps quiet.

    Its methods may be called from several threads at a time, one for each step that runs.
    """

    def waiting(self, what: str) -> None:
        """The run waits for something, e.g. `the Prefect server`."""

    def warned(self, text: str) -> None:
        """Something about the run that may not be what was meant, before any step starts."""

    def noted(self, step: str, text: str) -> None:
        """Something worth knowing about a step, e.g. how much of it is reused."""

    def command_started(self, step: str) -> None:
        """A command step runs its command."""

    def step_started(self, step: str, progress: Progress, slots: str) -> None:
        """A parallel step is about to run its mini-batches, e.g. on `2 nodes x 4 slots`."""

    def step_progressed(self, step: str, progress: Progress) -> None:
        """Some mini-batch's attempt has ended, or some time has passed."""

    def step_joining(self, step: str, text: str) -> None:
        """A step's parts are being joined, e.g. `joining parts 300/1,500`."""

    def step_ended(self, step: str, end: StepResult) -> None:
        """A step is over."""
