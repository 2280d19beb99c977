"""Keeps the logs of Prefect and Dask off the terminal, where the progress is shown."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

QUIET_VARIABLES = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "DASK_LOGGING__DISTRIBUTED": "critical",
    "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",
}
"""What Prefect and Dask read when they are imported, here or in nodes.

Without the last, events and logs that cannot be sent to the server are reported on the terminal.
"""


@contextmanager
def quiet() -> Iterator[None]:
    """Raise the level of the console's handlers; logs in the Prefect UI are unaffected."""
    before = {handler: handler.level for handler in _console_handlers()}
    for handler in before:
        handler.setLevel(logging.CRITICAL)
    try:
        with quiet_variables():
            yield
    finally:
        for handler, level in before.items():
            handler.setLevel(level)


@contextmanager
def quiet_variables() -> Iterator[None]:
    """Set the variables, unless the user did, for processes that are started meanwhile."""
    variables = {name: value for name, value in QUIET_VARIABLES.items() if name not in os.environ}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)


def _console_handlers() -> Iterator[logging.Handler]:
    from prefect.logging.handlers import PrefectConsoleHandler

    loggers = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
    for logger in loggers:
        for handler in logger.handlers:
            if isinstance(handler, PrefectConsoleHandler) or logger.name.startswith("distributed"):
                yield handler
