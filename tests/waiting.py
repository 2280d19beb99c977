"""Waiting for what another process does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_Found = TypeVar("_Found")


def wait_until(is_so: Callable[[], _Found], seconds: float = 480) -> _Found:
    """Ask until the answer is true; gives it."""
    until = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.1)
    return found
