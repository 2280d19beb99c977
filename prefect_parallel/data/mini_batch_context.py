"""What an entry script gets besides the data of a mini-batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect_parallel.data.mini_batch import MiniBatch
from prefect_parallel.errors import PrefectParallelError

if TYPE_CHECKING:
    from typing_extensions import Self


class NoOutputDir(PrefectParallelError):
    """A script asks for `output_dir`, and the step has no output for it, or several."""


def _no_output_dir() -> Path:
    raise NoOutputDir("there is an output_dir only while a step runs")


@dataclass(frozen=True)
class MiniBatchContext:
    """The second argument of `run`, for scripts that take one.

    Attributes:
        partition_key_value: Value of each partition key.
        mini_batch_index: From 0, in the order of the input.
        dataset_name: Name of the major input.
        dataset: Data of the mini-batch, the same that `run` gets as its first argument.
    """

    partition_key_value: Mapping[str, str] = field(default_factory=dict)
    mini_batch_index: int = 0
    dataset_name: str = ""
    dataset: Any = None
    _make_output_dir: Callable[[], Path] = field(default=_no_output_dir, repr=False)

    @classmethod
    def of(
        cls,
        mini_batch: MiniBatch,
        dataset_name: str = "",
        dataset: Any = None,
        make_output_dir: Callable[[], Path] = _no_output_dir,
    ) -> Self:
        """The context of a mini-batch of the input `dataset_name`."""
        keys = dict(mini_batch.partition_key_value or {})
        return cls(keys, mini_batch.index, dataset_name, dataset, make_output_dir)

    @property
    def output_dir(self) -> Path:
        """A new folder for files of this attempt, which belong to the output if it succeeds."""
        return self._make_output_dir()

    @property
    def minibatch_index(self) -> int:
        """The same under its other name in Azure ML."""
        return self.mini_batch_index


class WatchedContext(MiniBatchContext):
    """A context that notices whether its index is read: then a result depends on it."""

    index_was_read = False

    def __getattribute__(self, name: str) -> Any:
        if name in ("mini_batch_index", "__dict__"):
            object.__setattr__(self, "index_was_read", True)
        return super().__getattribute__(name)
