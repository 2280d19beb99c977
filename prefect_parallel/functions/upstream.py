"""The runs in the caller's flow that made the data of a call."""

from __future__ import annotations

from typing import Any

from prefect.futures import PrefectFuture
from prefect.utilities.engine import get_state_for_result


def awaited(data: Any) -> Any:
    """The data, with results in the place of Prefect's futures: it may be one, or a list with some.

    Raises:
        Exception: What a task raised.
    """
    if isinstance(data, PrefectFuture):
        return data.result()
    if isinstance(data, list) and any(isinstance(part, PrefectFuture) for part in data):
        return [awaited(part) for part in data]
    return data


def upstream(data: Any) -> list[Any]:
    """Parts of the data by which Prefect finds the runs that made it, one for each run.

    They may be given as `wait_for`. Prefect looks into all that it is given (33 us for a dict), so
    that a list is only among them if none of its elements is.
    """
    parts: dict[Any, Any] = {}
    for part in [*data, data] if isinstance(data, list) else [data]:
        if isinstance(part, PrefectFuture):
            parts.setdefault(part.task_run_id, part)
        elif found := get_state_for_result(part):
            made = found[0].state_details
            parts.setdefault(made.task_run_id or made.flow_run_id, part)
    return list(parts.values())
