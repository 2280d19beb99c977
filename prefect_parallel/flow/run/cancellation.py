"""What is to stop: a run, or one of its steps."""

from __future__ import annotations

import threading
from threading import Event

CANCELED = "the run was canceled"
SUSPENDED = "the run was suspended"


class Cancellation:
    """Which steps of a run are to stop, and why. May be used by several threads.

    A step `a.b` of a nested pipeline `a` is canceled with it. The empty name is that of the run.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reasons: dict[str, str] = {}
        self._events: dict[str, Event] = {}

    def cancel(self, reason: str, step: str = "") -> None:
        """Stop a step, or the run, unless it was told so before."""
        with self._lock:
            if self._reason(step) is not None:
                return
            self._reasons[step] = reason
            for name, event in self._events.items():
                if self._reason(name) is not None:
                    event.set()

    def of(self, step: str = "") -> Event:
        """Set when the step is to stop."""
        with self._lock:
            event = self._events.setdefault(step, Event())
            if self._reason(step) is not None:
                event.set()
            return event

    def reason(self, step: str = "") -> str | None:
        """Why a step is to stop; None if it is not."""
        with self._lock:
            return self._reason(step)

    def of_steps(self) -> dict[str, str]:
        """Why single steps are to stop, although the run was not when they were told."""
        with self._lock:
            return {step: reason for step, reason in self._reasons.items() if step}

    def _reason(self, step: str) -> str | None:
        parts = step.split(".") if step else []
        names = [".".join(parts[:length]) for length in range(len(parts) + 1)]
        return next((self._reasons[each] for each in names if each in self._reasons), None)
