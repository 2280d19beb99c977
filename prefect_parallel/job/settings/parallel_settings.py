"""The settings of a parallel step, each declared once.

A declaration is a field of `ParallelSettings`. From it come the key of the step and the component
in YAML with its checks, the JSON schema, the reference pages, the program argument if there is
one, and the value that applies with its origin (`resolution.effective_settings`). What runs reads
the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any

from prefect_parallel.job.format.amount_validators import DelaysValidator, MemoryValidator
from prefect_parallel.job.format.delimiter_validator import DelimiterValidator
from prefect_parallel.job.format.model import Key
from prefect_parallel.job.format.types import LOGGING_LEVELS, MAX_TIMEOUT, TIMEOUT
from prefect_parallel.job.format.validators import (
    ChoiceValidator,
    IntegerValidator,
    NumberValidator,
    SizeValidator,
    TextValidator,
    TrueOrFalseValidator,
    Validator,
)
from prefect_parallel.yaml_schema import ListOf, ValueSchema


class Inherit(Enum):
    """When the step's own value applies, rather than its component's; as in azure-ai-ml."""

    IF_NOT_GIVEN = "The step's value applies if it is given, even 0 or an empty one."
    IF_EMPTY = "The step's value applies, unless it is 0 or empty and the component has one."


GROUPS: Mapping[str, Inherit] = {
    "retry_settings": Inherit.IF_EMPTY,
    "resources": Inherit.IF_NOT_GIVEN,
    "task": Inherit.IF_NOT_GIVEN,
}
"""Keys of a step whose value is a mapping; it is inherited as a whole."""


@dataclass(frozen=True)
class Setting:
    """The declaration of a setting.

    Attributes:
        description: What it does, for editors and the reference.
        default: The value that applies if none is given.
        key: What the value of its key must be; None if there is no such key.
        group: The key of the step that its own key is below, if any; one of `GROUPS`.
        inherit: When a component's value applies. In a group, the group's decides.
        at_top: Whether a component, and a step by one, may also give it outside its group.
        argument: What its predefined program argument must be; None if there is none. The
            argument wins over the key.
        is_own: Whether Azure lacks the program argument. It then has no abbreviations, which may be
            arguments of a script.
        examples: Values that it may have.
        old_name: Its name in `ParallelRunConfig` of Azure's SDK v1, for hints.
        name: The name of its key, program argument and field.
    """

    description: str
    default: Any = None
    key: ValueSchema | None = None
    group: str | None = None
    inherit: Inherit = Inherit.IF_NOT_GIVEN
    at_top: bool = False
    argument: Validator | None = None
    is_own: bool = False
    examples: tuple[Any, ...] = ()
    old_name: str = ""
    name: str = ""

    @property
    def path(self) -> tuple[str, ...]:
        """Its keys below the step."""
        return (self.group, self.name) if self.group else (self.name,)


def setting(description: str, **declaration: Any) -> Any:
    """A field of `ParallelSettings`; arguments as for `Setting`."""
    declared = Setting(description, **declaration)
    return field(default=declared.default, metadata={"setting": declared})


_COUNT = IntegerValidator(1)
_THRESHOLD = IntegerValidator(-1)
_SECONDS = NumberValidator(0, MAX_TIMEOUT, "seconds", above=True)


@dataclass(frozen=True, kw_only=True)
class ParallelSettings:
    """The settings of a parallel step. None: no value is given, and there is no default."""

    mini_batch_size: int | None = setting(
        "The size of a mini-batch: a number of files, 10 by default; of a table, an"
        " approximate number of bytes, 1 MB by default, or an exact number of rows.",
        key=SizeValidator(),
        inherit=Inherit.IF_EMPTY,
        examples=("100", "10kb", "1000 rows"),
    )
    partition_keys: tuple[str, ...] = setting(
        "Names of columns: rows with the same values in them form one mini-batch. They win over"
        " `mini_batch_size`.",
        default=(),
        key=ListOf(TextValidator()),
        inherit=Inherit.IF_EMPTY,
        examples=(["store", "brand"],),
    )
    instance_count: int = setting(
        "The number of nodes that the step runs on.",
        default=1,
        key=_COUNT,
        group="resources",
        old_name="node_count",
        at_top=True,
    )
    max_concurrency_per_instance: int | None = setting(
        "The number of slots of a node, which run mini-batches in parallel. By default 1 on a node"
        " with GPUs, else the number of its cores.",
        old_name="process_count_per_node",
        key=_COUNT,
        inherit=Inherit.IF_EMPTY,
    )
    max_retries: int = setting(
        "How often a mini-batch is retried after a failed attempt.",
        default=2,
        key=IntegerValidator(0),
        group="retry_settings",
        old_name="run_max_try",
    )
    timeout: int = setting(
        "Maximum duration of one `run`, in seconds; then its process is ended, with all that it"
        " started.",
        default=60,
        key=TIMEOUT,
        group="retry_settings",
        old_name="run_invocation_timeout",
    )
    mini_batch_error_threshold: int = setting(
        "Maximum number of failed mini-batches; one more fails the step at once. -1: unlimited.",
        default=-1,
        key=_THRESHOLD,
        inherit=Inherit.IF_EMPTY,
        old_name="allowed_failed_count",
    )
    error_threshold: int = setting(
        "Maximum number of failed items; one more fails the step at once. -1: unlimited. The"
        " program argument `--error_threshold` wins over the key.",
        default=-1,
        key=_THRESHOLD,
        argument=IntegerValidator(-1, bindable=False),
    )
    logging_level: str = setting(
        "The lowest level of the script's log that is kept.",
        default="INFO",
        key=ChoiceValidator(LOGGING_LEVELS, bindable=True),
    )
    allowed_failed_percent: float = setting(
        "Maximum share of failed mini-batches, in percent of all.",
        default=100,
        argument=NumberValidator(0, 100, "a percentage"),
    )
    task_overhead_timeout: float = setting(
        "Maximum duration of loading a mini-batch, and of writing its part, each.",
        default=600,
        argument=_SECONDS,
    )
    progress_update_timeout: float | None = setting(
        "How long no attempt may end before the step fails. By default, it follows from the other"
        " timeouts: the longest time that a healthy step can stay silent.",
        argument=_SECONDS,
    )
    first_task_creation_timeout: float = setting(
        "Maximum time from the start of the step to its first `run`.",
        default=600,
        argument=_SECONDS,
    )
    copy_logs_to_parent: bool = setting(
        "Whether the logs of the step are also copied to the run's own `logs`.",
        default=False,
        argument=TrueOrFalseValidator(),
    )
    resource_monitor_interval: int = setting(
        "Seconds between two samples of what nodes and processes use. 0: no samples.",
        default=600,
        argument=IntegerValidator(0, unit="seconds", bindable=False),
    )
    append_row_dataframe_header: bool = setting(
        "Whether an aggregated CSV file begins with the names of the columns.",
        default=False,
        argument=TrueOrFalseValidator(),
    )
    append_row_dataframe_delimiter: str | None = setting(
        "The character between the cells of DataFrames in an aggregated text file. By default a"
        " comma; a blank in `parallel_run_step.txt`, which Azure ML names, too.",
        argument=DelimiterValidator(),
        is_own=True,
    )
    metrics_name_prefix: str | None = setting(
        "A prefix for the names of the step's metrics.", argument=TextValidator()
    )
    push_metrics_to_parent: bool = setting(
        "Whether the flow run of the pipeline also shows the step's metrics.",
        default=False,
        argument=TrueOrFalseValidator(),
    )
    profiling_module: str | None = setting(
        "The profiler that measures `init` and `run`; its results go to"
        " `logs/sys/perf/<node>/<process>.prof`.",
        argument=ChoiceValidator(("cProfile",)),
    )
    check_item_count: bool = setting(
        "Whether a mini-batch fails if `run` returns fewer rows or elements than it holds.",
        default=True,
        argument=TrueOrFalseValidator(),
        is_own=True,
    )
    prefetch: bool = setting(
        "Whether an entry process loads the next mini-batch of its task run while `run` works on"
        " this one. It then holds two mini-batches in memory.",
        default=False,
        argument=TrueOrFalseValidator(),
        is_own=True,
    )
    retry_delay_seconds: tuple[float, ...] = setting(
        "Seconds to wait before a retry; several, such as `10,60`, are those of the first, second,"
        " ... retry, and the last one counts for all others. The slot is free meanwhile.",
        default=(),
        argument=DelaysValidator(),
        is_own=True,
    )
    retry_backoff_factor: float = setting(
        "Factor by which each further retry waits longer.",
        default=1,
        argument=NumberValidator(1, 1000, "a factor"),
        is_own=True,
    )
    retry_jitter_factor: float = setting(
        "Random share by which a delay varies, as in Prefect, so that retries do not meet.",
        default=0,
        argument=NumberValidator(0, 10, "a factor"),
        is_own=True,
    )
    isolate_failed_items: bool = setting(
        "Whether a mini-batch that has failed is split in halves, and so on, until the items that"
        " fail stand alone. All others are in the output. Not with `partition_keys`.",
        default=False,
        argument=TrueOrFalseValidator(),
        is_own=True,
    )
    max_mini_batches_per_process: int | None = setting(
        "Number of mini-batches after which an entry process is replaced; `shutdown` is called.",
        argument=IntegerValidator(1, bindable=False),
        is_own=True,
    )
    max_process_memory: int | None = setting(
        "Limit of the resident memory of an entry process, without its children. A process that has"
        " used 80% of what `init` leaves of it is replaced before its next mini-batch, after"
        " `shutdown`; one that exceeds it is killed, and its attempt fails as out of memory.",
        argument=MemoryValidator(),
        is_own=True,
    )


SETTINGS: Mapping[str, Setting] = {
    each.name: replace(each.metadata["setting"], name=each.name)
    for each in fields(ParallelSettings)
}
"""All declarations, by name."""


OLD_NAMES: Mapping[str, str] = {
    each.old_name: ".".join(each.path) for each in SETTINGS.values() if each.old_name
}
"""Names of settings in Azure's SDK v1, and the keys that they have here."""


def keys_of(group: str | None) -> Mapping[str, Key]:
    """The keys of the settings in a group, or of those in none, for a `Model`."""
    return {
        each.name: Key(
            each.description,
            default=None,
            effective=None if each.default == () else each.default,
            examples=each.examples,
            name=each.name,
            schema=each.key,
        )
        for each in SETTINGS.values()
        if each.key is not None and each.group == group
    }


def keys_at_top() -> Mapping[str, Key]:
    """The keys that components and steps by one also give outside their groups."""
    return {
        each.name: Key(
            f"Wins over `{each.group}.{each.name}`.",
            default=None,
            name=each.name,
            schema=replace(each.key, bindable=False),
        )
        for each in SETTINGS.values()
        if each.at_top and isinstance(each.key, IntegerValidator)
    }
