"""The settings of a parallel step that count: its own, else its component's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from prefect_parallel.job.models.components import ParallelComponentModel
from prefect_parallel.job.models.step_parts import RetrySettings, Task
from prefect_parallel.job.models.steps import ParallelComponentStepModel, ParallelSettings

_T = TypeVar("_T")


@dataclass(frozen=True)
class InForce:
    """The settings in force.

    Which of the two wins follows azure-ai-ml, setting by setting: for some of them a zero or an
    empty value on the step means "as in the component".
    """

    mini_batch_size: int | str | None
    partition_keys: list[str] | None
    max_concurrency_per_instance: int | str | None
    mini_batch_error_threshold: int | str | None
    error_threshold: int | str | None
    retry_settings: RetrySettings | None
    logging_level: str | None
    input_data: str | None
    instance_count: int | str | None
    task: Task | None


def in_force(step: ParallelSettings, component: ParallelComponentModel | None) -> InForce:
    """The settings of a parallel step, its component's included."""
    lent: ParallelSettings = component or ParallelSettings()
    task = getattr(step, "task", None)
    if component and task is None:
        task = component.task
        if component.code is not None:
            task = task.model_copy(update={"code": component.code})
    return InForce(
        mini_batch_size=_unless_empty(step.mini_batch_size, lent.mini_batch_size),
        partition_keys=_unless_empty(step.partition_keys, lent.partition_keys),
        max_concurrency_per_instance=_unless_empty(
            step.max_concurrency_per_instance, lent.max_concurrency_per_instance
        ),
        mini_batch_error_threshold=_unless_empty(
            step.mini_batch_error_threshold, lent.mini_batch_error_threshold
        ),
        error_threshold=_given(step.error_threshold, lent.error_threshold),
        retry_settings=_retry_settings(step.retry_settings, lent.retry_settings),
        logging_level=_given(step.logging_level, lent.logging_level),
        input_data=_unless_empty(step.input_data, lent.input_data),
        instance_count=_instance_count(step, component),
        task=task,
    )


def _given(own: _T, lent: _T) -> _T:
    return lent if own is None else own


def _unless_empty(own: _T, lent: _T) -> _T:
    return lent if not own and lent is not None else own


def _retry_settings(own: RetrySettings | None, lent: RetrySettings | None) -> RetrySettings | None:
    empty = own is None or (own.max_retries is None and own.timeout is None)
    return _unless_empty(None if empty else own, lent)


def _instance_count(
    step: ParallelSettings, component: ParallelComponentModel | None
) -> int | str | None:
    """From the step itself, or its resources, which replace the component's even when empty."""
    if isinstance(step, ParallelComponentStepModel) and step.instance_count is not None:
        return step.instance_count
    if step.resources is not None:
        return step.resources.instance_count
    if component is None:
        return None
    lent = component.resources.instance_count if component.resources else None
    return _given(component.instance_count, lent)
