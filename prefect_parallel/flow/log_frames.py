"""What Prefect's logs show of errors whose own frames tell a user nothing."""

from __future__ import annotations

import logging
from dataclasses import dataclass

TASK_RUN_LOG = "prefect.task_runs"
"""Where Prefect logs what the Prefect UI shows of task runs."""

FLOW_RUN_LOG = "prefect.flow_runs"
"""The same of flow runs."""


def log_without_frames(log: str, *errors: type[BaseException]) -> None:
    """Have a log show these errors without their traceback, of Prefect's and this package's code.

    That of the user's script is logged in words.
    """
    # Added once: equal filters are the same for the logger.
    logging.getLogger(log).addFilter(_WithoutFrames(errors))


@dataclass(frozen=True)
class _WithoutFrames:
    errors: tuple[type[BaseException], ...]

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], self.errors):
            record.exc_info = None
        return True
