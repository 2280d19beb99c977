"""`RetryAfter`: a script asks for time before its mini-batch is tried again."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from prefect_parallel.errors import PrefectParallelError


class RetryAfter(PrefectParallelError):
    """Raised by a script: the attempt has failed, and the next one should wait.

    Any other exception with an attribute `retry_after`, in seconds or as a `timedelta`, has the
    same effect.

    Attributes:
        retry_after: Seconds to wait.

    Example:
        ```python
        from prefect_parallel import RetryAfter


        def run(mini_batch):
            answer = requests.post(URL, json=mini_batch)
            if answer.status_code == 429:
                raise RetryAfter(float(answer.headers["Retry-After"]))
            return answer.json()
        ```
    """

    def __init__(self, seconds: float, message: str = "") -> None:
        super().__init__(message or f"the script asks to retry after {seconds:g} s")
        self.retry_after = seconds

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.retry_after, str(self))


def asked_seconds(error: BaseException) -> float | None:
    """The seconds that an exception asks to wait; None if it does not, or has something else."""
    asked = getattr(error, "retry_after", None)
    if isinstance(asked, timedelta):
        asked = asked.total_seconds()
    if isinstance(asked, bool) or not isinstance(asked, (int, float)):
        return None
    return float(asked) if math.isfinite(asked) and asked >= 0 else None
